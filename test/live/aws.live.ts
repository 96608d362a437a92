import { afterAll, beforeAll } from 'vitest';
import { describeAwsDestinations } from '../support/aws-suite.js';
import { describeLive } from '../support/live.js';
import { canRun, type LiveProgram, startLiveProgram } from '../support/live-program.js';

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
});
