import { IAM, paginateListServerCertificates } from '@aws-sdk/client-iam';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestAuthority, type TestAuthority } from '../support/bundles.js';
import { IAM_DEFAULTS, startIam, type FakeIam } from './iam-server.js';

let authority: TestAuthority;
let fake: FakeIam;
let iam: IAM;
let material: { CertificateBody: string; CertificateChain: string; PrivateKey: string };

beforeAll(() => {
  authority = startTestAuthority();
  const {
    chainPem: [leaf, issuing],
    privateKeyPem,
  } = authority.issue('a.test');
  material = { CertificateBody: leaf as string, CertificateChain: issuing as string, PrivateKey: privateKeyPem };
});
afterAll(() => authority.close());
beforeEach(async () => {
  fake = await startIam({ quota: 5, pageSize: 2 });
  iam = new IAM({ region: 'us-east-1', endpoint: fake.url, maxAttempts: 1, credentials: IAM_DEFAULTS });
});
afterEach(async () => {
  iam.destroy();
  await fake.close();
});

const upload = (name: string, changes: object = {}) =>
  iam.uploadServerCertificate({ ServerCertificateName: name, ...material, ...changes });

describe('the fake IAM, asked by the real SDK', () => {
  it.each<[string, string, object]>([
    ['a name with a slash', 'ValidationError', { ServerCertificateName: 'a/b' }],
    ['a name of 129 characters', 'ValidationError', { ServerCertificateName: 'a'.repeat(129) }],
    ['a path without its end', 'ValidationError', { Path: '/x' }],
    ['a path of 513 characters', 'ValidationError', { Path: `/${'x'.repeat(511)}/` }],
    ['a body that is too long', 'ValidationError', { CertificateBody: 'x'.repeat(16_385) }],
    [
      'more than 50 tags',
      'InvalidInputException',
      { Tags: Array.from({ length: 51 }, (_, i) => ({ Key: `k${i}`, Value: 'v' })) },
    ],
  ])('refuses %s', async (_, name, changes) => {
    await expect(upload('a', changes)).rejects.toMatchObject({ name });
  });

  it('refuses text before the PEM armour, several certificates as body, and a chain in the wrong order', async () => {
    const { CertificateBody: leaf, CertificateChain: issuing } = material;
    for (const changes of [
      { CertificateBody: `Subject: CN=a\n${leaf}` },
      { CertificateBody: leaf + issuing },
      { CertificateChain: `\n${issuing}` },
      { CertificateChain: authority.rootPem + issuing },
    ])
      await expect(upload('a', changes)).rejects.toMatchObject({ name: 'MalformedCertificateException' });
  });

  it('returns what was uploaded, without the key', async () => {
    await upload('a', { Path: '/x/' });
    const { ServerCertificate: held } = await iam.getServerCertificate({ ServerCertificateName: 'A' });
    expect(held).toMatchObject({
      CertificateBody: material.CertificateBody,
      CertificateChain: material.CertificateChain,
    });
    expect(held?.ServerCertificateMetadata).toMatchObject({
      ServerCertificateName: 'a',
      Path: '/x/',
      Arn: 'arn:aws:iam::123456789012:server-certificate/x/a',
    });
    expect(held?.ServerCertificateMetadata?.ServerCertificateId).toMatch(/^ASCA[A-Z0-9]{17}$/);
    expect(JSON.stringify(held)).not.toContain('PRIVATE');
  });

  it('lists by path in short pages', async () => {
    for (const name of ['a', 'b', 'c']) await upload(name, { Path: '/x/' });
    await upload('d', { Path: '/y/' });
    const pages: (string | undefined)[][] = [];
    for await (const page of paginateListServerCertificates({ client: iam }, { PathPrefix: '/x/' })) {
      pages.push((page.ServerCertificateMetadataList ?? []).map((one) => one.ServerCertificateName));
    }
    expect(pages).toEqual([['a', 'b'], ['c']]);
    await expect(iam.listServerCertificates({ MaxItems: 1001 })).rejects.toMatchObject({ name: 'ValidationError' });
  });

  it('renames and moves a certificate, but not onto another', async () => {
    await upload('a');
    await upload('b');
    await iam.updateServerCertificate({ ServerCertificateName: 'a', NewServerCertificateName: 'c', NewPath: '/z/' });
    expect(fake.certificates().map((one) => one.arn)).toEqual([
      'arn:aws:iam::123456789012:server-certificate/z/c',
      'arn:aws:iam::123456789012:server-certificate/b',
    ]);
    await expect(
      iam.updateServerCertificate({ ServerCertificateName: 'c', NewServerCertificateName: 'B' }),
    ).rejects.toMatchObject({ name: 'EntityAlreadyExistsException' });
  });

  it('has a quota, and unique names over all paths and in upper or lower case', async () => {
    await upload('a');
    await expect(upload('A', { Path: '/x/' })).rejects.toMatchObject({ name: 'EntityAlreadyExistsException' });
    for (const name of ['b', 'c', 'd', 'e']) await upload(name);
    await expect(upload('f')).rejects.toMatchObject({ name: 'LimitExceededException' });
    await iam.deleteServerCertificate({ ServerCertificateName: 'b' });
    await expect(iam.deleteServerCertificate({ ServerCertificateName: 'b' })).rejects.toMatchObject({
      name: 'NoSuchEntityException',
    });
  });

  it('refuses a request without a signature, for another region, or of another version', async () => {
    const form = new URLSearchParams({ Action: 'ListServerCertificates', Version: '2010-05-08' });
    const answer = await fetch(fake.url, { method: 'POST', body: form });
    expect([answer.status, await answer.text()]).toEqual([
      403,
      expect.stringContaining('<Code>MissingAuthenticationToken</Code>'),
    ]);
    const elsewhere = new IAM({ region: 'eu-west-1', endpoint: fake.url, maxAttempts: 1, credentials: IAM_DEFAULTS });
    await expect(elsewhere.listServerCertificates()).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' });
    elsewhere.destroy();
    await expect(iam.listUsers()).rejects.toMatchObject({ name: 'InvalidAction' });
  });
});
