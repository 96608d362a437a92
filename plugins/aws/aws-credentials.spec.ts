import { Agent } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { awsAccount, awsCredentials, awsRegion, awsRole, type FakeAws, startAws } from '../../test/fakes/aws.js';
import { startIam } from '../../test/fakes/iam-server.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { networkContext } from '../../test/support/signing-ca.js';
import { demandAccount } from './aws-credentials.js';
import { awsIam } from './aws-iam.destination.js';
import { awsSecretsManager } from './aws-secrets-manager.destination.js';

let aws: FakeAws;
beforeAll(async () => {
  aws = await startAws();
});
afterAll(() => aws.stop());

const start = Date.parse('2026-03-04T05:06:07Z');
const at = (minutes: number, more: object = {}): PluginContext => ({
  ...networkContext(),
  now: () => new Date(start + minutes * 60_000),
  ...more,
});
const options = (changed: object = {}) => ({
  endpoint: aws.url,
  ...awsCredentials,
  roleArn: awsRole.arn,
  externalId: awsRole.externalId,
  ...changed,
});
const check = async (minutes: number, changed: object = {}): Promise<void> =>
  awsSecretsManager.check?.(awsSecretsManager.options.parse({ region: awsRegion, ...options(changed) }), at(minutes));
const names = (): string[] => [...aws.sessions.values()].map(({ name }) => name);

describe('a role of AWS', () => {
  it('is assumed once, until shortly before its credentials expire', async () => {
    await check(0, { accountNumber: awsAccount });
    await check(50);
    expect(names()).toEqual(['perennial']);
    await check(56);
    await check(57);
    expect(names()).toEqual(['perennial', 'perennial']);
  });

  it('is assumed again when AWS no longer accepts its credentials', async () => {
    await check(60);
    aws.fail({ on: /./, kind: { status: 400, body: { __type: 'ExpiredTokenException' } } });
    const before = aws.sessions.size;
    await check(60);
    expect(aws.sessions.size).toBe(before + 1);
  });

  it('has sessions of its own for each session name', async () => {
    await check(60, { roleSessionName: 'pki-prod' });
    expect(names().at(-1)).toBe('pki-prod');
  });

  it.each([
    ['with another external id', { externalId: 'Tenant:43' }, 'misconfigured'],
    ['of another name', { roleArn: `${awsRole.arn}-x` }, 'misconfigured'],
    ['with a wrong secret access key', { secretAccessKey: 'Marker-wrong-4f6e' }, 'misconfigured'],
  ])('%s is refused in words for people, without a secret', async (_, changed, fault) => {
    const error = await failureOf(check(60, changed), ['Marker-']);
    expect([error.fault, error.detail]).toEqual([fault, expect.stringContaining('AWS STS answers with status 403')]);
  });

  it('is tried later while STS is down', async () => {
    aws.fail({ on: /./, kind: { status: 503, body: '', headers: { 'retry-after': '20' } } });
    const error = await failureOf(check(60, { roleSessionName: 'down' }));
    expect([error.fault, error.retryAfterS]).toEqual(['unavailable', 20]);
  });

  it('signs the requests to IAM, and IAM gets no other credentials', async () => {
    const { site } = networkContext();
    const agent = new Agent({ keepAlive: true });
    const given = options({ stsEndpoint: aws.url, roleSessionName: 'iam', accountNumber: awsAccount });
    await demandAccount(awsIam.options.parse(given), at(60));
    const [id = '', session] = [...aws.sessions].at(-1) ?? [];
    const { secretAccessKey, sessionToken } = session ?? { secretAccessKey: '', sessionToken: '' };
    const iam = await startIam({ accessKeyId: id, secretAccessKey, sessionToken });
    try {
      const o = awsIam.options.parse({ ...given, endpoint: iam.url });
      await awsIam.check?.(o, at(60, { site: { ...site, agentFor: () => agent } }));
      expect(iam.actions()).toEqual(['ListServerCertificates']);
    } finally {
      agent.destroy();
      await iam.close();
    }
  });
});

describe('the options to sign in to AWS', () => {
  it.each([
    [{ secretAccessKey: undefined }, 'both'],
    [{ accessKeyId: undefined, secretAccessKey: undefined, sessionToken: 'x' }, 'session token is for'],
    [{ roleArn: undefined }, 'external id is for a role'],
  ])('do not admit %j', async (changed, words) => {
    const o = awsSecretsManager.options.parse({ region: awsRegion, ...options(changed) });
    const error = await failureOf(Promise.resolve(awsSecretsManager.admit?.(o, at(0))));
    expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining(words)]);
  });

  it.each([{ roleArn: 'arn:aws:iam::1:role/x' }, { externalId: 'a b' }, { roleSessionName: 'x' }])(
    'refuse %j',
    (changed) => {
      expect(awsIam.options.safeParse(options(changed)).success).toBe(false);
    },
  );
});
