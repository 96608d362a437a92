import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { awsAcm } from '../../plugins/aws/aws-acm.destination.js';
import { awsS3 } from '../../plugins/aws/aws-s3.destination.js';
import { awsSecretsManager } from '../../plugins/aws/aws-secrets-manager.destination.js';
import type { DestinationPlugin, DeliveredFile } from '../../src/plugin-api/destination.js';
import type { Bundle, ExportedFile } from '../../src/plugin-api/export.js';
import type { OptionSchema } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { startTestAuthority, type TestAuthority } from './bundles.js';
import { failureOf } from './issuer-faults.js';
import { networkContext } from './signing-ca.js';

/** A server that answers as AWS does, with a bucket `certificates` that keeps versions. */
export interface AwsBench {
  /** Endpoint, region and credentials. */
  options: Record<string, unknown>;
  /** What is in a secret, in an object, and in the certificate of ACM with this common name. */
  secretText(name: string): Promise<string | null>;
  objectVersions(key: string): Promise<string[]>;
  acm(): Promise<{ arn: string; leafPem: string }[]>;
}

/** The verbs of a destination with the options of the bench. */
export function destinationVerbs<S extends OptionSchema>(
  plugin: DestinationPlugin<S>,
  values: () => object,
  context: () => PluginContext = networkContext,
) {
  const options = (changed: object) => plugin.options.parse({ ...values(), ...changed });
  const placed = (bundle: Bundle, files: readonly ExportedFile[], changed: object) => ({
    bundle: { ...bundle, privateKeyPem: undefined },
    location: plugin.locate({ bundle, fileNames: files.map(({ name }) => name) }, options(changed)),
    files: files.map(({ name, bytes }): DeliveredFile => ({ name, sha256Hex: sha256(bytes) })),
    round: '1.1',
  });
  return {
    deliver: (bundle: Bundle, files: readonly ExportedFile[] = [], changed: object = {}) =>
      plugin.deliver({ bundle, files, round: '1.1' }, options(changed), context()),
    verify: async (bundle: Bundle, files: readonly ExportedFile[] = [], changed: object = {}) =>
      plugin.verify?.(placed(bundle, files, changed), options(changed), context()),
    remove: async (bundle: Bundle, files: readonly ExportedFile[] = [], changed: object = {}): Promise<void> =>
      plugin.remove?.(placed(bundle, files, changed), options(changed), context()),
    check: async (changed: object = {}): Promise<void> => plugin.check?.(options(changed), context()),
  };
}

/** Certificate and key in two files. */
export function twoFiles({ chainPem, privateKeyPem = '' }: Bundle, stem = 'www.example.com'): ExportedFile[] {
  return [
    { name: `${stem}.pem`, bytes: Buffer.from(chainPem.join('')), mode: 0o644 },
    { name: `${stem}.key`, bytes: Buffer.from(privateKeyPem), mode: 0o600 },
  ];
}

/** The destinations in AWS, against what `bench` says. */
export function describeAwsDestinations(bench: () => AwsBench): void {
  let authority: TestAuthority;
  beforeAll(() => {
    authority = startTestAuthority();
  });
  afterAll(() => authority.close());
  const issue = (name: string): Required<Omit<Bundle, 'rootPem'>> => authority.issue(name);
  const values = (): object => bench().options;

  describe('aws-acm', () => {
    const acm = destinationVerbs(awsAcm, values);
    const held = async (name: string) =>
      (await bench().acm()).filter(({ leafPem }) => new X509Certificate(leafPem).subject.includes(`CN=${name}`));

    it('imports a certificate, and its successor in its place under the same ARN', async () => {
      const [other, before, after] = [issue('other.example.com'), issue('*.example.com'), issue('*.example.com')];
      await acm.deliver(other);
      await acm.deliver(before);
      expect(await acm.verify(before)).toEqual({ state: 'same' });
      const [first] = await held('*.example.com');
      await acm.deliver(after);
      await acm.deliver(after);
      expect((await held('*.example.com')).map(({ arn }) => arn)).toEqual([first?.arn]);
      expect([await acm.verify(before), await acm.verify(after), await acm.verify(other)]).toMatchObject([
        { state: 'different' },
        { state: 'same' },
        { state: 'same' },
      ]);
    });

    it('removes a certificate, and no successor of it', async () => {
      const [before, after] = [issue('gone.example.com'), issue('gone.example.com')];
      await acm.deliver(before);
      await acm.deliver(after);
      await acm.remove(before);
      expect(await acm.verify(after)).toEqual({ state: 'same' });
      await acm.remove(after);
      await acm.remove(after);
      expect(await acm.verify(after)).toEqual({ state: 'missing' });
    });

    it('refuses another account, and the key of another certificate', async () => {
      const wrong = acm.deliver(issue('wrong.example.com'), [], { accountNumber: '999999999999' });
      expect((await failureOf(wrong)).detail).toContain('The credentials belong to account 123456789012');
      const { privateKeyPem } = issue('a.example.com');
      expect((await failureOf(acm.deliver({ ...issue('b.example.com'), privateKeyPem }))).fault).toBe('refused');
    });
  });

  describe('aws-s3', () => {
    const s3 = destinationVerbs(awsS3, () => ({ ...values(), bucket: 'certificates', prefix: 'tls/' }));
    const versions = () => bench().objectVersions('tls/www.example.com.key');

    it('keeps files as objects, and writes none that is there already', async () => {
      const bundle = issue('www.example.com');
      await s3.check();
      expect(await s3.verify(bundle, twoFiles(bundle))).toEqual({ state: 'missing' });
      await s3.deliver(bundle, twoFiles(bundle), { encryption: 'AES256' });
      await s3.deliver(bundle, twoFiles(bundle), { encryption: 'AES256' });
      expect(await versions()).toHaveLength(1);
      expect(await s3.verify(bundle, twoFiles(bundle))).toEqual({ state: 'same' });
      expect(await s3.verify(bundle)).toEqual({ state: 'missing' });
      expect(await s3.verify(issue('www.example.com'), twoFiles(issue('x.example.com')))).toMatchObject({
        state: 'different',
      });
      await s3.remove(bundle, twoFiles(bundle));
    });

    it('removes every version that holds the key, and nothing of a successor', async () => {
      const [before, after] = [issue('www.example.com'), issue('www.example.com')];
      await s3.deliver(before, twoFiles(before));
      await s3.deliver(after, twoFiles(after));
      await s3.remove(before, twoFiles(before));
      expect(await s3.verify(after, twoFiles(after))).toEqual({ state: 'same' });
      await s3.deliver(before, twoFiles(before));
      await s3.deliver(after, twoFiles(after));
      expect(await versions()).toHaveLength(4);
      await s3.remove(after, twoFiles(after));
      expect(await versions()).toEqual([]);
      await s3.remove(after, twoFiles(after));
    });

    it('says that the bucket is missing', async () => {
      const bundle = issue('www.example.com');
      const error = await failureOf(s3.deliver(bundle, twoFiles(bundle), { bucket: 'no-such-bucket' }));
      expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining('NoSuchBucket')]);
    });
  });

  describe('aws-secrets-manager', () => {
    const secrets = destinationVerbs(awsSecretsManager, values);
    const name = 'certificates/www.example.com';

    it('keeps a certificate as a secret whose current value is the newest one, also after a roll-back', async () => {
      const [before, after] = [issue('www.example.com'), issue('www.example.com')];
      expect(await secrets.verify(before)).toEqual({ state: 'missing' });
      for (const bundle of [before, after, before, after, after]) {
        await secrets.deliver(bundle);
        const value = JSON.parse((await bench().secretText(name)) ?? '{}') as Record<string, string>;
        expect(value['fullchain']).toBe(bundle.chainPem.join(''));
        const leaf = new X509Certificate(value['certificate'] ?? '');
        expect(leaf.checkPrivateKey(createPrivateKey(value['private_key'] ?? ''))).toBe(true);
        expect(await secrets.verify(bundle)).toEqual({ state: 'same' });
      }
      await secrets.remove(before);
      expect(await secrets.verify(before)).toMatchObject({ state: 'different' });
      await secrets.remove(after);
      await secrets.remove(after);
      expect(await bench().secretText(name)).toBeNull();
    });
  });
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
