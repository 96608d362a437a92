import { X509Certificate } from 'node:crypto';
import { Agent } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Found, FoundEndpoint } from '../../src/plugin-api/source.js';
import { awsCredentials, type FakeAws, startAws } from '../../test/fakes/aws.js';
import { scanned, startTestAuthority } from '../../test/support/bundles.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { networkContext } from '../../test/support/signing-ca.js';
import { awsEndpoints } from './aws-endpoints.source.js';

const authority = startTestAuthority();
const agent = new Agent({ keepAlive: true });
const certificates = 'arn:aws:acm:eu-central-1:123456789012:certificate';
const balancer = 'arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app';
const api = 'arn:aws:apigateway:eu-central-1::/domainnames/api.example.com';
const [first, second, inIam] = ['a', 'b', 'iam'].map((name) => authority.issue(`${name}.example.com`));
let aws: FakeAws;
beforeAll(async () => {
  aws = await startAws();
});
afterAll(async () => {
  agent.destroy();
  await aws.stop();
  authority.close();
});
beforeEach(() => {
  aws.certificates.clear();
  for (const [id, { chainPem = [], privateKeyPem: key = '' } = {}] of [
    ['one', first],
    ['two', second],
  ] as const)
    aws.certificates.set(`${certificates}/${id}`, { leaf: chainPem[0] ?? '', chain: chainPem[1] ?? '', key, tags: [] });
  const iamArn = 'arn:aws:iam::123456789012:server-certificate/old';
  const [body = '', chain = ''] = inIam?.chainPem ?? [];
  aws.serverCertificates.splice(0, 1, { name: 'old', id: 'ASCAEXAMPLE', arn: iamArn, body, chain });
  const served = ['one', 'two'].map((id, at) => ({ arn: `${certificates}/${id}`, isDefault: at === 0 }));
  aws.listenerCertificates.splice(0, aws.listenerCertificates.length, ...served);
  const listeners = [
    { arn: `${aws.listener}-http`, port: 80, protocol: 'HTTP' },
    { arn: aws.listener, port: 443, protocol: 'HTTPS' },
  ];
  aws.balancers.splice(
    0,
    2,
    { arn: `${balancer}/web/1a`, name: 'web', listeners },
    { arn: `${balancer}/hidden/2b`, name: 'hidden', listeners: [], isHidden: true },
  );
  aws.classic.splice(
    0,
    2,
    { name: 'plain', port: 443, certificateArn: iamArn, policy: 'old' },
    { name: 'also', port: 8443, certificateArn: `${certificates}/gone`, policy: 'old' },
  );
  aws.distributions.splice(
    0,
    3,
    { id: 'E1', certificateArn: `${certificates}/one`, aliases: ['www.example.com', 'example.com'] },
    { id: 'E2', aliases: [] },
    { id: 'E3', iamId: 'ASCAEXAMPLE', aliases: [] },
  );
  aws.otherUsers.clear();
});

const ctx = () => {
  const network = networkContext();
  return { ...network, site: { ...network.site, agentFor: () => agent } };
};
const options = (changed: object = {}) =>
  awsEndpoints.options.parse({ regions: ['eu-central-1'], endpoint: aws.url, ...awsCredentials, ...changed });
const scan = (changed: object = {}): Promise<Found[]> => scanned(awsEndpoints, options(changed), ctx());
const subjects = ({ chainPem }: FoundEndpoint): string[] => chainPem.map((pem) => new X509Certificate(pem).subject);
const endpointsIn = (found: readonly Found[]) =>
  found
    .filter((one) => one.kind === 'endpoint')
    .map((one) => [one.type, one.externalId, one.port, one.dnsName, subjects(one)[0] ?? 'unseen']);

describe('the source of endpoints in AWS', () => {
  it('finds each certificate that a load balancer or a distribution serves, over short pages', async () => {
    const found = await scan();
    expect(endpointsIn(found)).toEqual([
      ['elbv2', aws.listener, 443, 'web.elb.amazonaws.com', 'CN=a.example.com'],
      ['elbv2', `${aws.listener} ${certificates}/two`, 443, 'web.elb.amazonaws.com', 'CN=b.example.com'],
      ['elb', 'eu-central-1/plain', 443, 'plain.elb.amazonaws.com', 'CN=iam.example.com'],
      ['elb', 'eu-central-1/also', 8443, 'also.elb.amazonaws.com', 'unseen'],
      ['cloudfront', 'arn:aws:cloudfront::123456789012:distribution/E1', 443, 'e1.cloudfront.net', 'CN=a.example.com'],
      [
        'cloudfront',
        'arn:aws:cloudfront::123456789012:distribution/E3',
        443,
        'e3.cloudfront.net',
        'CN=iam.example.com',
      ],
    ]);
    expect(found.filter((one) => one.kind === 'certificate')).toEqual(
      [first, second].map((one, at) => {
        const location = `${certificates}/${['one', 'two'][at]}`;
        return { kind: 'certificate', location, externalId: location, chainPem: one?.chainPem };
      }),
    );
    expect(found.filter((one) => one.kind === 'trouble')).toEqual([
      {
        kind: 'trouble',
        location: `${balancer.replace('loadbalancer', 'listener')}/hidden/2b/`,
        detail: expect.stringContaining('not authorized to perform: DescribeListeners'),
      },
    ]);
  });

  it('says which versions and ciphers a policy accepts, and which names a distribution has', async () => {
    const found = (await scan()).filter((one) => one.kind === 'endpoint');
    const policyOf = (type: string) => found.find((one) => one.type === type)?.policy;
    const named = (type: string) =>
      policyOf(type)?.ciphers.map(({ name, deprecated }) => `${name}${deprecated ? ' deprecated' : ''}`);
    expect([policyOf('elbv2')?.name, named('elbv2')]).toEqual([
      'ELBSecurityPolicy-TLS13-1-2',
      ['Protocol-TLSv1.2', 'Protocol-TLSv1.3', 'TLS_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
    ]);
    expect(named('elb')).toEqual(['Protocol-TLSv1 deprecated', 'Protocol-TLSv1.2', 'RC4-MD5 deprecated']);
    expect(found.find(({ type }) => type === 'cloudfront')).toMatchObject({
      aliases: ['www.example.com', 'example.com'],
      policy: { name: 'TLSv1.2_2021', ciphers: [] },
    });
  });

  it('finds what else uses a certificate of ACM', async () => {
    aws.otherUsers.set(`${certificates}/two`, [api]);
    const found = endpointsIn(await scan({ services: ['acm', 'elb'] })).filter(([type]) =>
      String(type).startsWith('api'),
    );
    expect(found).toEqual([['apigateway', `${api} ${certificates}/two`, 443, 'b.example.com', 'CN=b.example.com']]);
    const alone = endpointsIn(await scan({ services: ['acm'] })).map(([type]) => type);
    expect(alone.sort()).toEqual(['apigateway', 'elasticloadbalancing', 'elasticloadbalancing']);
  });

  it('goes on with other regions when one cannot be read, and fails when none can', async () => {
    const found = await scan({ regions: ['eu-west-3', 'eu-central-1'] });
    const troubles = found.flatMap((one) => (one.kind === 'trouble' ? [one.location] : []));
    expect(troubles.slice(1)).toEqual([
      'arn:aws:acm:eu-west-3:',
      'arn:aws:elasticloadbalancing:eu-west-3:',
      'eu-west-3/',
    ]);
    expect(endpointsIn(found)).toHaveLength(6);
    const nowhere = scan({ regions: ['eu-west-3'], services: ['acm', 'elb'] });
    expect((await failureOf(nowhere)).fault).toBe('misconfigured');
    const elsewhere = scan({ accountNumber: '999999999999' });
    expect((await failureOf(elsewhere)).detail).toContain('belong to account 123456789012');
  });

  it('waits while AWS throttles, and finds all', async () => {
    for (const code of ['Throttling', 'RequestLimitExceeded'])
      aws.fail({ on: /./, kind: { status: 400, body: `<Error><Code>${code}</Code></Error>` } });
    expect(endpointsIn(await scan())).toHaveLength(6);
  });

  it('takes a service that is down for a trouble of that service alone', async () => {
    aws.fail({ on: /GET \/2020/, kind: { status: 503, body: '' } });
    const found = await scan();
    expect(endpointsIn(found)).toHaveLength(4);
    expect(found.at(-1)).toMatchObject({ kind: 'trouble', location: 'arn:aws:cloudfront:' });
  });

  it('removes from ACM exactly what it found, and nothing that is in use', async () => {
    const location = `${certificates}/two`;
    const sha256 = new X509Certificate(second?.chainPem[0] ?? '').fingerprint256.replaceAll(':', '').toLowerCase();
    const remove = async (ref: { location: string; sha256: string }): Promise<void> =>
      awsEndpoints.remove?.(ref, options(), ctx());
    for (const wrong of [
      { location, sha256: 'ab' },
      { location: location.replace('eu-central', 'eu-west'), sha256 },
    ])
      expect((await failureOf(remove(wrong))).fault).toBe('refused');
    expect((await failureOf(remove({ location, sha256 }))).detail).toContain(`in use by ${aws.listener}`);
    aws.listenerCertificates.pop();
    await remove({ location, sha256 });
    await remove({ location, sha256 });
    expect([...aws.certificates.keys()]).toEqual([`${certificates}/one`]);
  });

  it('checks that each service can be read', async () => {
    await awsEndpoints.check?.(options(), ctx());
    const error = await failureOf(Promise.resolve(awsEndpoints.check?.(options({ regions: ['eu-west-3'] }), ctx())));
    expect(error.fault).toBe('misconfigured');
  });
});
