import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { awsCredentials, awsRegion, type FakeAws, startAws } from '../../test/fakes/aws.js';
import { describeAwsDestinations, destinationVerbs, twoFiles } from '../../test/support/aws-suite.js';
import { startTestAuthority } from '../../test/support/bundles.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { awsAcm } from './aws-acm.destination.js';
import { awsS3 } from './aws-s3.destination.js';
import { awsSecretsManager } from './aws-secrets-manager.destination.js';

const authority = startTestAuthority();
let aws: FakeAws;
beforeAll(async () => {
  aws = await startAws();
});
afterAll(async () => {
  await aws.stop();
  authority.close();
});
const values = (): Record<string, unknown> => ({
  endpoint: aws.url,
  region: awsRegion,
  ...awsCredentials,
  timeoutS: 60,
});
const bundle = () => authority.issue('one.example.com');

describeAwsDestinations(() => ({
  options: values(),
  secretText: async (name) => {
    const secret = aws.secrets.get(name);
    return secret?.versions.find(({ id }) => id === secret.current)?.text ?? null;
  },
  objectVersions: async (key) => (aws.objects.get(key) ?? []).map(({ id }) => id),
  acm: async () => [...aws.certificates].map(([arn, { leaf }]) => ({ arn, leafPem: leaf })),
}));

const plugins = {
  'aws-acm': destinationVerbs(awsAcm, values),
  'aws-s3': destinationVerbs(awsS3, () => ({ ...values(), bucket: 'certificates' })),
  'aws-secrets-manager': destinationVerbs(awsSecretsManager, values),
};

describe.each(Object.entries(plugins))('%s', (_, { deliver, verify, check }) => {
  const files = (one: ReturnType<typeof bundle>) => twoFiles(one, 'one');

  it('is misconfigured with a wrong secret access key, and repeats it in no error', async () => {
    const wrong = { secretAccessKey: 'Marker-aws-wrong-4f6e' };
    const one = bundle();
    for (const work of [deliver(one, files(one), wrong), check(wrong)])
      expect((await failureOf(work, ['Marker-aws-wrong-4f6e'])).fault).toBe('misconfigured');
  });

  it.each([
    ['is throttled', { status: 400, body: { __type: 'ThrottlingException', message: 'Rate exceeded' } }],
    ['is down', { status: 503, body: 'no server' }],
    ['answers nothing', 'drop'],
    ['hangs', 'hang'],
  ] as const)('tries again later when AWS %s', async (__, kind) => {
    const one = bundle();
    aws.fail({ on: /./, kind });
    const failing = deliver(one, files(one), kind === 'hang' ? { timeoutS: 1 } : {});
    expect((await failureOf(failing)).fault).toBe('unavailable');
    await deliver(one, files(one));
    expect(await verify(one, files(one))).toEqual({ state: 'same' });
  });

  it('delivers once when the answer to each of its requests is lost', async () => {
    const one = bundle();
    for (let lost = 0, isDone = false; !isDone && lost < 20; lost += 1) {
      aws.fail({ on: /./, kind: 'lose' });
      isDone = await deliver(one, files(one)).then(
        () => true,
        () => false,
      );
    }
    await deliver(one, files(one)).catch(() => undefined);
    await deliver(one, files(one));
    expect(await verify(one, files(one))).toEqual({ state: 'same' });
  });
});

describe('the listeners of aws-acm', () => {
  const acm = plugins['aws-acm'];
  const served = () => aws.listenerCertificates.map(({ arn, isDefault }) => `${arn}${isDefault ? ' default' : ''}`);
  const arnOf = (name: string): string =>
    [...aws.certificates].find(([, { tags }]) => tags.some(({ Value }) => Value === name))?.[0] ?? '';
  beforeEach(() => {
    aws.listenerCertificates.splice(1);
  });

  it('serve the certificate beside others or as their default, and let it go when it is removed', async () => {
    const one = authority.issue('listened.example.com');
    const use = { listeners: [aws.listener] };
    const [first = ''] = served();
    expect(await acm.verify(one, [], use)).toEqual({ state: 'missing' });
    await acm.deliver(one, [], use);
    await acm.deliver(one, [], use);
    expect(served()).toEqual([first, arnOf('listened.example.com')]);
    expect(await acm.verify(one, [], use)).toEqual({ state: 'same' });
    await acm.remove(one, [], use);
    expect(served()).toEqual([first]);
    const other = authority.issue('default.example.com');
    await acm.deliver(other, [], { ...use, listenerUse: 'default' });
    expect(served()).toEqual([`${arnOf('default.example.com')} default`]);
    const error = await failureOf(acm.remove(other, [], use));
    expect([error.fault, error.detail]).toEqual([
      'misconfigured',
      expect.stringContaining(`in use by ${aws.listener}`),
    ]);
  });

  it('that do not serve the certificate are a difference', async () => {
    const one = authority.issue('unserved.example.com');
    await acm.deliver(one);
    expect(await acm.verify(one, [], { listeners: [aws.listener] })).toMatchObject({ state: 'different' });
  });

  it('that are missing fail the delivery', async () => {
    const listeners = [`${aws.listener}x`];
    expect((await failureOf(acm.deliver(bundle(), [], { listeners }))).detail).toContain('ListenerNotFound');
  });
});

describe('aws-secrets-manager', () => {
  it('tries again later while a secret of the name is being deleted', async () => {
    const one = authority.issue('deleting.example.com');
    const name = 'certificates/deleting.example.com';
    aws.secrets.set(name, { tags: [], versions: [], current: '', isGoing: true });
    const error = await failureOf(plugins['aws-secrets-manager'].deliver(one));
    expect([error.fault, error.detail]).toEqual(['unavailable', expect.stringContaining('about to be deleted')]);
    aws.secrets.delete(name);
    aws.fail({ on: /./, kind: { status: 400, body: { __type: 'ResourceNotFoundException' } } });
    aws.fail({ on: /./, kind: { status: 400, body: { __type: 'InvalidRequestException' } } });
    expect((await failureOf(plugins['aws-secrets-manager'].deliver(one))).fault).toBe('unavailable');
  });

  it('changes no secret of another unless that is allowed, and deletes none', async () => {
    const secrets = plugins['aws-secrets-manager'];
    const one = authority.issue('theirs.example.com');
    const theirs = { tags: [], versions: [{ id: 'v', text: 'theirs' }], current: 'v' };
    aws.secrets.set('certificates/theirs.example.com', theirs);
    expect((await failureOf(secrets.deliver(one))).detail).toContain('was not made by this program');
    expect(theirs.versions).toHaveLength(1);
    await secrets.deliver(one, [], { overwrite: true });
    expect(await secrets.verify(one)).toEqual({ state: 'same' });
    expect((await failureOf(secrets.remove(one))).fault).toBe('misconfigured');
    expect(aws.secrets.has('certificates/theirs.example.com')).toBe(true);
  });
});
