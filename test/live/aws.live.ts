import { Agent } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { awsAcm } from '../../plugins/aws/aws-acm.destination.js';
import { awsIam } from '../../plugins/aws/aws-iam.destination.js';
import { describeAwsDestinations, destinationVerbs } from '../support/aws-suite.js';
import { startTestAuthority, type TestAuthority } from '../support/bundles.js';
import { describeLive } from '../support/live.js';
import { canRun, type LiveProgram, startLiveProgram } from '../support/live-program.js';
import { networkContext } from '../support/signing-ca.js';

const program = process.env['MOTO_SERVER'] ?? 'moto_server';
const options = { region: 'eu-central-1', accessKeyId: 'AKIDEXAMPLE000000000', secretAccessKey: 'moto-checks-none' };

const missing = canRun(program, ['--help'])
  ? undefined
  : 'moto_server is missing: pip install "moto[server]", or name it in MOTO_SERVER.';

/** moto knows the rules of the services and checks no signature; the stand-in of the usual suite checks each. */
describeLive('the destinations in AWS with moto', missing, () => {
  let server: LiveProgram;
  const url = (): string => `http://127.0.0.1:${server.port}`;
  const call = async (service: string, target: string, input: object): Promise<Record<string, unknown>> => {
    const answer = await fetch(url(), {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': target,
        authorization: `AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-central-1/${service}/aws4_request`,
      },
      body: JSON.stringify(input),
    });
    return (await answer.json()) as Record<string, unknown>;
  };
  const s3 = async (path: string, method = 'GET', body?: string): Promise<string> => {
    const headers = { authorization: 'AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-central-1/s3/aws4_request' };
    return (await fetch(`${url()}${path}`, { method, headers, ...(body !== undefined && { body }) })).text();
  };

  beforeAll(async () => {
    const isUp = async (port: number): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}/moto-api/`)).ok;
    server = await startLiveProgram(program, (port) => ['-p', String(port)], isUp);
    const place = '<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint>';
    await s3('/certificates', 'PUT', `${place}</CreateBucketConfiguration>`);
    const versions = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    await s3('/certificates?versioning', 'PUT', versions);
  });
  afterAll(() => server?.stop());

  describeAwsDestinations(() => ({
    options: { ...options, endpoint: url() },
    secretText: async (name) => {
      const { SecretString: text } = await call('secretsmanager', 'secretsmanager.GetSecretValue', { SecretId: name });
      return typeof text === 'string' ? text : null;
    },
    objectVersions: async (key) =>
      [...(await s3(`/certificates?versions&prefix=${key}`)).matchAll(/<VersionId>([^<]+)/g)].map(([, id = '']) => id),
    acm: async () => {
      const { CertificateSummaryList: list } = await call('acm', 'CertificateManager.ListCertificates', {});
      return Promise.all(
        (list as { CertificateArn: string }[]).map(async ({ CertificateArn: arn }) => {
          const held = await call('acm', 'CertificateManager.GetCertificate', { CertificateArn: arn });
          return { arn, leafPem: String(held['Certificate']) };
        }),
      );
    },
  }));

  let authority: TestAuthority;
  beforeAll(() => {
    authority = startTestAuthority();
  });
  const agent = new Agent({ keepAlive: true });
  afterAll(() => {
    agent.destroy();
    authority?.close();
  });
  const signed = (service: string, region: string) => ({
    authorization: `AWS4-HMAC-SHA256 Credential=AKID/20260101/${region}/${service}/aws4_request`,
  });

  it('a classic load balancer serves a certificate of IAM, its successor, and the first again', async () => {
    const context = () => {
      const network = networkContext();
      return { ...network, site: { ...network.site, agentFor: () => agent } };
    };
    const iam = destinationVerbs(awsIam, () => ({ ...options, endpoint: url() }), context);
    const [first, second] = [authority.issue('elb.example.com'), authority.issue('elb.example.com')];
    await iam.deliver(first);
    const listener = {
      Protocol: 'HTTPS',
      LoadBalancerPort: '443',
      InstancePort: '80',
      SSLCertificateId: `arn:aws:iam::123456789012:server-certificate/${first.name}`,
    };
    const body = new URLSearchParams({
      Action: 'CreateLoadBalancer',
      Version: '2012-06-01',
      LoadBalancerName: 'web',
      'AvailabilityZones.member.1': 'eu-central-1a',
      ...Object.fromEntries(Object.entries(listener).map(([name, value]) => [`Listeners.member.1.${name}`, value])),
    });
    const headers = signed('elasticloadbalancing', 'eu-central-1');
    expect((await fetch(url(), { method: 'POST', headers, body })).status).toBe(200);
    const places = { classicListeners: ['eu-central-1/web:443'] };
    await iam.check(places);
    for (const bundle of [first, second, first]) {
      expect(await iam.deliver(bundle, [], places)).toEqual({ location: 'eu-central-1/web:443' });
      expect(await iam.verify(bundle, [], places)).toEqual({ state: 'same' });
    }
    expect(await iam.verify(second, [], places)).toMatchObject({ state: 'different' });
  });

  it('a distribution serves a certificate of ACM, and keeps the rest of its configuration', async () => {
    const acm = destinationVerbs(awsAcm, () => ({ ...options, region: 'us-east-1', endpoint: url() }));
    const config =
      '<DistributionConfig xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><CallerReference>x' +
      '</CallerReference><Aliases><Quantity>1</Quantity><Items><CNAME>cdn.example.com</CNAME></Items></Aliases>' +
      '<Origins><Quantity>1</Quantity><Items><Origin><Id>o</Id><DomainName>o.example.com</DomainName>' +
      '<CustomOriginConfig><HTTPPort>80</HTTPPort><HTTPSPort>443</HTTPSPort><OriginProtocolPolicy>https-only' +
      '</OriginProtocolPolicy></CustomOriginConfig></Origin></Items></Origins><DefaultCacheBehavior>' +
      '<TargetOriginId>o</TargetOriginId><ViewerProtocolPolicy>allow-all</ViewerProtocolPolicy>' +
      '</DefaultCacheBehavior><Comment>a &amp; b</Comment><Enabled>true</Enabled></DistributionConfig>';
    const headers = { ...signed('cloudfront', 'us-east-1'), 'content-type': 'application/xml' };
    const cloudFront = `${url()}/2020-05-31/distribution`;
    const made = await (await fetch(cloudFront, { method: 'POST', headers, body: config })).text();
    const id = /<Id>(\w+)<\/Id>/.exec(made)?.[1] ?? '';
    const restOf = async (): Promise<string> =>
      (await (await fetch(`${cloudFront}/${id}/config`, { headers })).text()).replace(/<ViewerCert.*Certificate>/s, '');
    const before = await restOf();
    const bundle = authority.issue('cdn.example.com');
    await acm.deliver(bundle, [], { distributions: [id] });
    // moto calls a distribution deployed when it is read for the second time.
    await acm.verify(bundle, [], { distributions: [id] });
    expect(await acm.verify(bundle, [], { distributions: [id] })).toEqual({ state: 'same' });
    expect(await restOf()).toBe(before);
  });
});
