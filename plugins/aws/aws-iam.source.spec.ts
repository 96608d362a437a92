import { IAM } from '@aws-sdk/client-iam';
import { X509Certificate } from 'node:crypto';
import { Agent } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FoundCertificate, FoundRef } from '../../src/plugin-api/source.js';
import { IAM_DEFAULTS, startIam, type FakeIam } from '../../test/fakes/iam-server.js';
import { pluginContext, scanned, startTestAuthority, type TestAuthority } from '../../test/support/bundles.js';
import { awsIam } from './aws-iam.destination.js';
import { awsIamSource } from './aws-iam.source.js';

let authority: TestAuthority;
let fake: FakeIam;
let iam: IAM;
const agent = new Agent({ keepAlive: true });
const context = pluginContext({ agentFor: () => agent });
const access = () => ({
  endpoint: fake.url,
  accessKeyId: IAM_DEFAULTS.accessKeyId,
  secretAccessKey: IAM_DEFAULTS.secretAccessKey,
});
const options = (values: object = {}) => awsIamSource.options.parse({ ...access(), ...values });
const scan = async (values: object = {}) =>
  (await scanned(awsIamSource, options(values), context)) as FoundCertificate[];
const fault = (expected: string) => expect.objectContaining({ name: 'PluginError', fault: expected });

beforeAll(() => {
  authority = startTestAuthority();
});
afterAll(() => {
  authority.close();
  agent.destroy();
});
beforeEach(async () => {
  fake = await startIam({ pageSize: 2 });
  iam = new IAM({ region: 'us-east-1', endpoint: fake.url, maxAttempts: 1, credentials: IAM_DEFAULTS });
});
afterEach(async () => {
  iam.destroy();
  await fake.close();
});

async function upload(name: string, path = '/', tags: Record<string, string> = {}) {
  const {
    chainPem: [leaf, issuing],
    privateKeyPem,
  } = authority.issue(`${name}.example.test`);
  await iam.uploadServerCertificate({
    ServerCertificateName: name,
    Path: path,
    CertificateBody: leaf,
    CertificateChain: issuing,
    PrivateKey: privateKeyPem,
    Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
  });
  return {
    leaf,
    issuing,
    sha256: new X509Certificate(leaf as string).fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

describe('the source of IAM certificates', () => {
  it('finds certificates below its path over short pages, with chain, id and the owner from a tag', async () => {
    const { leaf, issuing } = await upload('a', '/x/', { team: 'web@example.com' });
    for (const name of ['b', 'c']) await upload(name, '/x/y/');
    await upload('d', '/z/');
    const found = await scan({ path: '/x/', ownerTag: 'team' });
    expect(found.map(({ location }) => location)).toEqual(
      ['a', 'y/b', 'y/c'].map((name) => `arn:aws:iam::123456789012:server-certificate/x/${name}`),
    );
    expect(found[0]).toEqual({
      kind: 'certificate',
      location: expect.any(String),
      externalId: fake.certificates()[0]?.id,
      owner: 'web@example.com',
      chainPem: [leaf, issuing],
    });
    expect(found[1]).not.toHaveProperty('owner');
  });

  it('skips a hidden certificate, and stops when the service is unavailable', async () => {
    for (const name of ['a', 'b', 'c']) await upload(name);
    fake.fail({ action: 'GetServerCertificate', kind: 'AccessDenied' });
    expect((await scan()).map(({ kind }) => kind)).toEqual(['trouble', 'certificate', 'certificate']);
    fake.fail({ action: 'GetServerCertificate', kind: 'drop' });
    expect(await scan()).toHaveLength(3);
    for (let i = 0; i < 4; i++) fake.fail({ action: 'GetServerCertificate', kind: 'ServiceFailure' });
    await expect(scan()).rejects.toThrow(fault('unavailable'));
  });

  it('reads no account other than the configured one', async () => {
    await upload('a');
    await expect(scan({ accountNumber: '999999999999' })).rejects.toThrow(fault('misconfigured'));
    await expect(awsIamSource.check?.(options({ accountNumber: '999999999999' }), context)).rejects.toThrow(
      fault('misconfigured'),
    );
  });

  it('removes exactly what it found', async () => {
    const { sha256 } = await upload('a');
    const [{ location }] = (await scan()) as [FoundCertificate];
    const remove = (ref: FoundRef): Promise<void> | undefined => awsIamSource.remove?.(ref, options(), context);
    await expect(remove({ location, sha256: 'another' })).rejects.toThrow(fault('refused'));
    await expect(remove({ location: location.replace('/a', '/moved/a'), sha256 })).rejects.toThrow(fault('refused'));
    fake.fail({ action: 'DeleteServerCertificate', kind: 'DeleteConflict' });
    await expect(remove({ location, sha256 })).rejects.toThrow('still in use');
    expect(fake.certificates()).toHaveLength(1);
    await remove({ location, sha256 });
    await remove({ location, sha256 });
    expect(fake.certificates()).toEqual([]);
  });

  it('is the counterpart of a destination of the same account and path', () => {
    const counterpart = awsIam.source?.(
      awsIam.options.parse({ accountNumber: '123456789012', path: '', namePrefix: 'p-', ...access() }),
    );
    expect(awsIamSource.options.parse(counterpart?.options)).toMatchObject({
      accountNumber: '123456789012',
      path: '/',
      secretAccessKey: IAM_DEFAULTS.secretAccessKey,
    });
    expect(counterpart).toMatchObject({ pluginId: 'aws-iam-source', place: ['accountNumber', 'endpoint', 'path'] });
  });
});
