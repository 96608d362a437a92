import { Agent } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PluginFault } from '../../src/plugin-api/errors.js';
import { awsCredentials, type FakeAws, startAws } from '../../test/fakes/aws.js';
import { destinationVerbs } from '../../test/support/aws-suite.js';
import { startTestAuthority } from '../../test/support/bundles.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { networkContext } from '../../test/support/signing-ca.js';
import { awsAcm } from './aws-acm.destination.js';
import { awsIam } from './aws-iam.destination.js';

const authority = startTestAuthority();
const agent = new Agent({ keepAlive: true });
let aws: FakeAws;
beforeAll(async () => {
  aws = await startAws();
});
afterAll(async () => {
  agent.destroy();
  await aws.stop();
  authority.close();
});

const theirs = 'arn:aws:iam::123456789012:server-certificate/theirs';
beforeEach(() => {
  aws.serverCertificates.splice(0, aws.serverCertificates.length);
  const classic = { name: 'web', port: 443, certificateArn: theirs, policy: 'old' };
  aws.classic.splice(0, aws.classic.length, { ...classic, name: 'other' }, classic);
  aws.distributions.splice(
    0,
    aws.distributions.length,
    { id: 'E1', iamId: 'ASCATHEIRS', aliases: ['www.example.com'] },
    { id: 'E2', aliases: [] },
  );
});

const values = (): Record<string, unknown> => ({ endpoint: aws.url, timeoutS: 60, ...awsCredentials });
const context = () => {
  const network = networkContext();
  return { ...network, site: { ...network.site, agentFor: () => agent } };
};
const iam = destinationVerbs(awsIam, () => ({ ...values(), path: '/cloudfront/' }), context);
const acm = destinationVerbs(awsAcm, () => ({ ...values(), region: 'us-east-1' }));
const places = { classicListeners: ['eu-central-1/web:443'], distributions: ['E1', 'E2'] };
const heldId = (): string | undefined => aws.serverCertificates.at(-1)?.id;
const changes = (): number => aws.seen.filter((line) => line.startsWith('PUT')).length;
const locationOf = (o: object): string =>
  awsIam.locate(
    { bundle: authority.issue('www.example.com'), fileNames: [] },
    awsIam.options.parse({ ...values(), ...o }),
  );

describe('what is to serve a certificate of IAM', () => {
  it('serves it, and nothing else of it changes', async () => {
    const one = authority.issue('www.example.com');
    await iam.check(places);
    expect(await iam.verify(one, [], places)).toEqual({ state: 'missing' });
    expect(await iam.deliver(one, [], places)).toEqual({ location: 'eu-central-1/web:443, E1, E2' });
    expect(aws.classic.map(({ certificateArn }) => certificateArn)).toEqual([theirs, aws.serverCertificates[0]?.arn]);
    expect(aws.distributions).toMatchObject([{ iamId: heldId() }, { iamId: heldId() }]);
    expect(await iam.verify(one, [], places)).toEqual({ state: 'same' });
    const before = changes();
    await iam.deliver(one, [], places);
    expect(changes()).toBe(before);
  });

  it('serves the predecessor again when that is delivered again', async () => {
    const [before, after] = [authority.issue('www.example.com'), authority.issue('www.example.com')];
    for (const bundle of [before, after, before]) await iam.deliver(bundle, [], places);
    expect(aws.serverCertificates).toHaveLength(2);
    expect(await iam.verify(before, [], places)).toEqual({ state: 'same' });
    expect(await iam.verify(after, [], places)).toMatchObject({
      state: 'different',
      detail: expect.stringMatching(/^eu-central-1\/web:443 does not serve arn:aws:iam::/),
    });
    await iam.remove(after, [], places);
    expect(aws.serverCertificates).toHaveLength(1);
  });

  it('is about to serve it while CloudFront carries it to its edge locations', async () => {
    const one = authority.issue('www.example.com');
    await iam.deliver(one, [], places);
    Object.assign(aws.distributions[0] ?? {}, { arrivingFor: 1 });
    const detail = `The distribution E1 is about to serve ${aws.serverCertificates[0]?.arn}.`;
    expect(await iam.verify(one, [], places)).toEqual({ state: 'arriving', detail });
    expect(await iam.verify(one, [], places)).toEqual({ state: 'same' });
  });

  it('is left alone when somebody else changes it at the same moment, and changed by the next attempt', async () => {
    const one = authority.issue('www.example.com');
    aws.fail({
      on: /GET .*E1.config/,
      kind: (reply) => {
        Object.assign(aws.distributions[0] ?? {}, { version: 7 });
        return reply;
      },
    });
    const error = await failureOf(iam.deliver(one, [], places));
    expect([error.fault, error.detail]).toEqual(['unavailable', expect.stringContaining('PreconditionFailed')]);
    expect(aws.distributions[0]?.iamId).toBe('ASCATHEIRS');
    await iam.deliver(one, [], places);
    expect(await iam.verify(one, [], places)).toEqual({ state: 'same' });
  });

  it('serves it at every other place when one is gone, and names that one', async () => {
    const [one, other] = [authority.issue('www.example.com'), authority.issue('www.example.com')];
    const o = { classicListeners: ['eu-central-1/none:443', 'eu-central-1/web:443'], distributions: ['E404', 'E1'] };
    const failure = await failureOf(iam.deliver(one, [], o));
    expect(failure.fault).toBe('misconfigured');
    expect(failure.detail).toMatch(/^eu-central-1\/none:443: .+ The distribution E404: .+/);
    const rest = { classicListeners: ['eu-central-1/web:443'], distributions: ['E1'] };
    expect(await iam.verify(one, [], rest)).toEqual({ state: 'same' });
    expect((await failureOf(iam.verify(one, [], o))).detail).toContain('eu-central-1/none:443');
    await iam.deliver(other, [], rest);
    expect(await iam.verify(one, [], o)).toMatchObject({ state: 'different' });
    expect((await failureOf(iam.check(o))).detail).toContain('E404');
  });

  it('keeps the certificate from being deleted', async () => {
    const one = authority.issue('www.example.com');
    await iam.deliver(one, [], places);
    const error = await failureOf(iam.remove(one, [], places));
    expect([error.fault, error.detail]).toEqual(['unavailable', expect.stringContaining('in use by web,E1,E2')]);
  });

  it.each<[string, object, PluginFault]>([
    ['no such distribution', { distributions: ['E404'] }, 'misconfigured'],
    ['no such load balancer', { classicListeners: ['eu-central-1/none:443'] }, 'misconfigured'],
    ['a load balancer without TLS at the port', { classicListeners: ['eu-central-1/web:80'] }, 'misconfigured'],
    ['a distribution, and a path of IAM that CloudFront does not read', { ...places, path: '/' }, 'refused'],
  ])('is no place for it: %s', async (_, o, fault) => {
    expect((await failureOf(iam.deliver(authority.issue('www.example.com'), [], o))).fault).toBe(fault);
  });

  it('has the location of one certificate alone, unless listeners have others beside it', () => {
    const listeners = [aws.listener];
    expect(locationOf({ listeners })).toMatch(/^\/www/);
    expect(locationOf({ listeners, listenerUse: 'default' })).toBe(aws.listener);
    expect(locationOf(places)).toBe('eu-central-1/web:443, E1, E2');
  });

  it('has no source that takes what is in IAM for delivered', () => {
    const sourceOf = (o: object) => awsIam.source?.(awsIam.options.parse({ ...values(), ...o }));
    expect(sourceOf({})?.options).not.toHaveProperty('distributions');
    expect(sourceOf({ distributions: ['E1'] })).toBeNull();
  });

  it('keeps predecessors, which are removed last', () => {
    const keeps = (o: object) => awsIam.keepsReplaced?.(awsIam.options.parse({ ...values(), ...o }));
    expect([keeps({}), keeps({ listeners: [aws.listener] }), keeps({ distributions: ['E1'] })]).toEqual([
      false,
      true,
      true,
    ]);
  });
});

describe('what is to serve a certificate of ACM', () => {
  it('serves it, and goes on with its successor under the same ARN', async () => {
    const [before, after] = [authority.issue('cdn.example.com'), authority.issue('cdn.example.com')];
    const distributions = ['E1', 'E2'];
    for (const bundle of [before, after, after]) await acm.deliver(bundle, [], { distributions });
    expect(new Set(aws.distributions.map(({ certificateArn }) => certificateArn)).size).toBe(1);
    expect(aws.distributions[0]).toMatchObject({ version: 2 });
    expect(await acm.verify(after, [], { distributions })).toEqual({ state: 'same' });
    expect((await failureOf(acm.remove(after, [], { distributions }))).detail).toContain('still in use');
    aws.distributions.splice(0, 2);
    await acm.remove(after, [], {});
  });

  it.each([
    [{ region: 'us-east-1', classicListeners: ['eu-central-1/web:443'] }, 'A listener in eu-central-1 serves'],
    [{ region: 'eu-central-1', distributions: ['E1'] }, 'from us-east-1 alone'],
  ])('must be where the certificate is: %j', async (o, text) => {
    const options = awsAcm.options.parse({ ...values(), ...o });
    expect((await failureOf(Promise.resolve(awsAcm.admit?.(options, networkContext())))).detail).toContain(text);
  });
});
