import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createServer, Agent } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { IAM_DEFAULTS, startIam, type FakeIam, type IamFault, type IamOptions } from '../../test/fakes/iam-server.js';
import { pluginContext, startTestAuthority, type TestAuthority } from '../../test/support/bundles.js';
import { awsIam } from './aws-iam.destination.js';

let authority: TestAuthority;
let iam: FakeIam;
beforeAll(() => {
  authority = startTestAuthority();
});
afterAll(() => authority.close());
beforeEach(async () => {
  iam = await startIam();
});
afterEach(() => iam.close());

const { accessKeyId, secretAccessKey } = IAM_DEFAULTS;
const agent = new Agent({ keepAlive: true });
afterAll(() => agent.destroy());
const context = (signal?: AbortSignal): PluginContext => pluginContext({ agentFor: () => agent }, signal);
const options = (values: object = {}) =>
  awsIam.options.parse({ endpoint: iam.url, accessKeyId, secretAccessKey, ...values });
const deliver = (bundle: Bundle, values: object = {}, ctx = context()) =>
  awsIam.deliver({ bundle, files: [], round: '1.1' }, options(values), ctx);
const remove = async (location: string, bundle: Bundle, values: object = {}) =>
  awsIam.remove?.({ location, bundle, files: [], round: '1.1' }, options(values), context());
const check = async (values: object = {}, ctx = context()) => awsIam.check?.(options(values), ctx);
const fault = (expected: string, text = '') =>
  expect.objectContaining({ name: 'PluginError', fault: expected, detail: expect.stringContaining(text) });

async function restart(changed: Partial<IamOptions>): Promise<void> {
  await iam.close();
  iam = await startIam(changed);
}

describe('the options of aws-iam', () => {
  it.each([
    { accountNumber: '12345' },
    { path: 'x/' },
    { path: '/x' },
    { path: '/a b/' },
    { region: 'evil.com/' },
    { endpoint: 'file:///etc' },
    { namePrefix: 'a/b' },
    { other: 1 },
  ])('refuse %j', (values) => {
    expect(awsIam.options.safeParse(values).success).toBe(false);
  });

  it('accept those of Lemur', () => {
    expect(awsIam.options.parse({ accountNumber: '123456789012', path: '' })).toMatchObject({ region: 'us-east-1' });
  });
});

describe('aws-iam delivers', () => {
  it('leaf, chain without the root, and key under the unique name', async () => {
    const bundle = authority.issue('www.example.test');
    const { location } = await deliver(
      { ...bundle, chainPem: [...bundle.chainPem.map((pem) => `Subject: text\n${pem}`), authority.rootPem] },
      { path: '/cloudfront/test/', namePrefix: 'p-' },
    );
    expect(location).toBe(`arn:aws:iam::123456789012:server-certificate/cloudfront/test/p-${bundle.name}`);
    expect(awsIam.locate({ bundle, fileNames: [] }, options({ path: '/cloudfront/test/', namePrefix: 'p-' }))).toBe(
      `/cloudfront/test/p-${bundle.name}`,
    );
    const [held] = iam.certificates();
    expect(held).toMatchObject({ body: bundle.chainPem[0], chain: bundle.chainPem[1] });
    expect(
      new X509Certificate(bundle.chainPem[0] as string).checkPrivateKey(createPrivateKey(held?.privateKey ?? '')),
    ).toBe(true);
  });

  it('a certificate signed by a root without any chain', async () => {
    const bundle = authority.issue('www.example.test');
    await deliver({ ...bundle, chainPem: bundle.chainPem.slice(0, 1) });
    expect(iam.certificates()[0]?.chain).toBeUndefined();
  });

  it('nothing when it is already there', async () => {
    const bundle = authority.issue('*.example.test');
    const first = await deliver(bundle);
    expect(await deliver(bundle)).toEqual(first);
    expect(iam.certificates()).toHaveLength(1);
  });

  it('once, even if the response is lost and the account is full afterwards', async () => {
    iam.fail({ kind: 'loseAnswer' });
    iam.fail({ kind: 'LimitExceeded' });
    const bundle = authority.issue('a.test');
    expect(await deliver(bundle)).toEqual({ location: iam.certificates()[0]?.arn });
    expect(iam.actions()).toEqual(['UploadServerCertificate', 'UploadServerCertificate', 'GetServerCertificate']);
  });

  it('under a name with the serial number when another certificate has the name, whatever its case', async () => {
    const [bundle, other] = [authority.issue('a.test'), authority.issue('a.test')];
    await deliver({ ...other, name: bundle.name.toUpperCase() });
    const { location } = await deliver(bundle);
    expect(location).toBe(`arn:aws:iam::123456789012:server-certificate/${bundle.name}-${bundle.serialHex}`);
    expect(await deliver(bundle)).toEqual({ location });
    expect(iam.certificates()).toHaveLength(2);
    await deliver({ ...authority.issue('a.test'), name: `${bundle.name}-x` });
    await expect(deliver({ ...authority.issue('a.test'), name: bundle.name, serialHex: 'x' })).rejects.toThrow(
      fault('misconfigured', bundle.name),
    );
  });

  it('below two paths of one account, so that one can be removed without the other', async () => {
    const bundle = authority.issue('a.test');
    const { location: plain } = await deliver(bundle);
    const { location: cloudFront } = await deliver(bundle, { path: '/cloudfront/' });
    expect(cloudFront).toBe(
      `arn:aws:iam::123456789012:server-certificate/cloudfront/${bundle.name}-${bundle.serialHex}`,
    );
    expect(await deliver(bundle, { path: '/cloudfront/' })).toEqual({ location: cloudFront });
    expect(await deliver(bundle)).toEqual({ location: plain });
    await remove(cloudFront, bundle, { path: '/cloudfront/' });
    expect(iam.certificates().map(({ arn }) => arn)).toEqual([plain]);
  });

  it('with temporary credentials', async () => {
    await restart({ sessionToken: 'temporary/token==' });
    await deliver(authority.issue('a.test'), { sessionToken: 'temporary/token==' });
    expect(iam.certificates()).toHaveLength(1);
  });

  it('with credentials that the SDK finds', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId).stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
    try {
      await deliver(authority.issue('a.test'), { accessKeyId: undefined, secretAccessKey: undefined });
    } finally {
      vi.unstubAllEnvs();
    }
    expect(iam.certificates()).toHaveLength(1);
  });

  it.each<IamFault['kind']>(['Throttling', 'drop', 'ServiceFailure'])(
    'after one transient failure: %s',
    async (kind) => {
      iam.fail({ kind });
      await deliver(authority.issue('a.test'));
      expect(iam.certificates()).toHaveLength(1);
    },
  );

  it('nothing to an account other than the configured one', async () => {
    await expect(deliver(authority.issue('a.test'), { accountNumber: '999999999999' })).rejects.toThrow(
      fault('misconfigured', '123456789012'),
    );
    expect(iam.certificates()).toEqual([]);
  });
});

describe('aws-iam says who must act', () => {
  it.each<[IamFault['kind'], string]>([
    ['Throttling', 'unavailable'],
    ['ServiceFailure', 'unavailable'],
    ['drop', 'unavailable'],
    ['ConcurrentModification', 'unavailable'],
    ['AccessDenied', 'misconfigured'],
  ])('%s: %s', async (kind, expected) => {
    for (let i = 0; i < 4; i++) iam.fail({ kind });
    await expect(deliver(authority.issue('a.test'))).rejects.toThrow(fault(expected));
  });

  it('a full account: later, with the quota named', async () => {
    await restart({ quota: 1 });
    await deliver(authority.issue('a.test'));
    await expect(deliver(authority.issue('b.test'))).rejects.toThrow(
      fault('unavailable', 'ServerCertificatesPerAccount: 1'),
    );
  });

  it('an unknown key id, a wrong secret and half a pair: a person', async () => {
    const bundle = authority.issue('a.test');
    await expect(deliver(bundle, { accessKeyId: 'AKIDUNKNOWN000000000' })).rejects.toThrow(
      fault('misconfigured', 'InvalidClientTokenId'),
    );
    await expect(deliver(bundle, { secretAccessKey: 'wrong' })).rejects.toThrow(
      fault('misconfigured', 'SignatureDoesNotMatch'),
    );
    await expect(deliver(bundle, { secretAccessKey: undefined })).rejects.toThrow(fault('misconfigured', 'both'));
  });

  it('a key that does not fit or is encrypted, and a chain out of order: nobody', async () => {
    const [bundle, other] = [authority.issue('a.test'), authority.issue('a.test')];
    await expect(deliver({ ...bundle, privateKeyPem: other.privateKeyPem })).rejects.toThrow(
      fault('refused', 'KeyPairMismatch'),
    );
    const encrypted = createPrivateKey(bundle.privateKeyPem)
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
      .toString();
    await expect(deliver({ ...bundle, privateKeyPem: encrypted })).rejects.toThrow(
      fault('refused', 'MalformedCertificate'),
    );
    await expect(
      deliver({ ...bundle, chainPem: [bundle.chainPem[0] as string, other.chainPem[0] as string] }),
    ).rejects.toThrow(fault('refused', 'chain'));
    await expect(deliver({ ...bundle, chainPem: ['rubbish'] })).rejects.toThrow(fault('refused'));
    await expect(deliver({ ...bundle, privateKeyPem: undefined })).rejects.toThrow(fault('refused'));
    expect(iam.certificates()).toEqual([]);
  });

  it('a server that is not IAM or is not there: later', async () => {
    const web = createServer((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html><body>It works</body>'),
    );
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
    await expect(deliver(authority.issue('a.test'), { endpoint })).rejects.toThrow(fault('unavailable'));
    web.closeAllConnections();
    await new Promise((resolve) => web.close(resolve));
    await expect(deliver(authority.issue('a.test'), { endpoint })).rejects.toThrow(
      fault('unavailable', 'ECONNREFUSED'),
    );
  });

  it('an endpoint that the operator does not allow: the error of the site', async () => {
    const ctx = pluginContext({
      agentFor: () => {
        throw new PluginError('misconfigured', 'not allowed here');
      },
    });
    await expect(check({}, ctx)).rejects.toThrow(fault('misconfigured', 'not allowed here'));
  });

  it('without a secret in any error text', async () => {
    await restart({ sessionToken: 'session-token-0123456789' });
    const secrets = { secretAccessKey: 'very/secret+key', sessionToken: 'session-token-0123456789' };
    const bundle = authority.issue('a.test');
    const errors: unknown[] = [];
    for (const values of [secrets, { ...secrets, sessionToken: 'session-token-wrong' }])
      errors.push(await deliver(bundle, values).catch((e: unknown) => e));
    iam.fail({ kind: 'AccessDenied' });
    errors.push(await deliver(bundle, { ...secrets, secretAccessKey }).catch((e: unknown) => e));
    expect(errors.map((error) => (error as PluginError).fault)).toEqual([
      'misconfigured',
      'misconfigured',
      'misconfigured',
    ]);
    expect(inspect(errors, { depth: 10, showHidden: true })).not.toMatch(
      /very\/secret|session-token|PRIVATE KEY|wJalr/,
    );
  });

  it('that it was interrupted, soon after the signal', async () => {
    iam.fail({ kind: 'hang' });
    const controller = new AbortController();
    const delivery = deliver(authority.issue('a.test'), {}, context(controller.signal));
    const verdict = expect(delivery).rejects.toThrow(fault('unavailable'));
    while (iam.actions().length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    await verdict;
  });
});

describe('aws-iam removes', () => {
  it('its own certificate, and succeeds when it is gone', async () => {
    const bundle = authority.issue('a.test');
    const { location } = await deliver(bundle, { path: '/x/' });
    await remove(location, bundle);
    await remove(location, bundle);
    expect(iam.certificates()).toEqual([]);
  });

  it('later a certificate that a load balancer still uses', async () => {
    const bundle = authority.issue('a.test');
    const { location } = await deliver(bundle);
    iam.fail({ action: 'DeleteServerCertificate', kind: 'DeleteConflict' });
    await expect(remove(location, bundle)).rejects.toThrow(fault('unavailable', 'DeleteConflict'));
    await remove(location, bundle);
    expect(iam.certificates()).toEqual([]);
  });

  it('by name a certificate whose delivery was interrupted, and no other of that name', async () => {
    const bundle = authority.issue('a.test');
    const location = awsIam.locate({ bundle, fileNames: [] }, options());
    await deliver(bundle);
    await deliver({ ...authority.issue('a.test'), name: bundle.name, serialHex: 'ab' });
    await remove(location, bundle, { path: '/other/' });
    expect(iam.certificates()).toHaveLength(2);
    await remove(location, bundle);
    expect(iam.certificates().map(({ name }) => name)).toEqual([`${bundle.name}-ab`]);
    await remove(location, { ...bundle, serialHex: 'ab' });
    expect(iam.certificates()).toHaveLength(1);
  });

  it('no other certificate at the same location', async () => {
    const [bundle, other] = [authority.issue('a.test'), authority.issue('a.test')];
    const { location } = await deliver({ ...other, name: bundle.name });
    await remove(location, bundle);
    expect(iam.certificates()).toHaveLength(1);
  });

  it('nothing of the same name in another account', async () => {
    const bundle = authority.issue('a.test');
    const { location } = await deliver(bundle);
    await expect(remove(location.replace('123456789012', '999999999999'), bundle)).rejects.toThrow(
      fault('misconfigured'),
    );
    expect(iam.certificates()).toHaveLength(1);
  });
});

describe('the check of aws-iam', () => {
  it('only reads', async () => {
    await check();
    await deliver(authority.issue('a.test'));
    await check({ accountNumber: '123456789012' });
    expect(iam.actions()).toEqual(['ListServerCertificates', 'UploadServerCertificate', 'ListServerCertificates']);
  });

  it('fails for a wrong secret and for another account', async () => {
    await expect(check({ secretAccessKey: 'wrong' })).rejects.toThrow(fault('misconfigured'));
    await deliver(authority.issue('a.test'));
    await expect(check({ accountNumber: '999999999999' })).rejects.toThrow(fault('misconfigured', '999999999999'));
  });
});
