import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { awsCredentials, type FakeAws, startAws } from '../fakes/aws.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const minuteMs = 60_000;
let aws: FakeAws;
let program: TestProgram;
beforeAll(async () => {
  aws = await startAws();
  program = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
});
afterAll(async () => {
  await program.stop();
  await aws.stop();
});

/** A destination whose certificate a load balancer and a distribution of this name are to serve. */
const places = async (name: string) => {
  const balancer: FakeAws['classic'][number] = { name, port: 443, certificateArn: 'arn:aws:acm:x', policy: 'old' };
  const distribution: FakeAws['distributions'][number] = { id: `E${name.toUpperCase()}`, aliases: [] };
  aws.classic.push(balancer);
  aws.distributions.push(distribution);
  const classicListeners = [`eu-central-1/${name}:443`];
  const options = { ...awsCredentials, endpoint: aws.url, path: '/cloudfront/', classicListeners };
  const plugin = { id: 'aws-iam', options: { ...options, distributions: [distribution.id] } };
  await program.ok('POST', '/destinations', { label: name, plugin });
  const held = () => aws.serverCertificates.filter(({ name: one }) => one.startsWith(name));
  const serialOf = (body = ''): string => BigInt(`0x${new X509Certificate(body).serialNumber}`).toString();
  return {
    balancer,
    distribution,
    location: `eu-central-1/${name}:443, ${distribution.id}`,
    /** Serial numbers of what IAM holds. */
    serials: (): string[] => held().map(({ body }) => serialOf(body)),
    /** Serial numbers of what the load balancer and the distribution serve. */
    served: (): string[] =>
      [balancer.certificateArn, distribution.iamId].map((ref) =>
        serialOf(held().find(({ arn, id }) => arn === ref || id === ref)?.body),
      ),
  };
};
const issue = async (commonName: string, label: string): Promise<Json> => {
  const authority = { name: 'root' };
  const request = { owner: 'joe@example.com', commonName, authority, destinations: [{ label }] };
  return program.ok('POST', '/certificates', request);
};
const reissue = ({ id }: Json): Promise<Json> => program.ok('POST', `/certificates/${id}/reissue`, {});
const inState = ({ id }: Json, expected: object): Promise<Json> =>
  eventually(async () => {
    const [delivery] = (await program.ok('GET', `/certificates/${id}/deliveries`)).items;
    return Object.entries(expected).every(([name, value]) => delivery[name] === value) && delivery;
  });
describe('a certificate that a load balancer and a distribution serve', () => {
  it('is replaced there by its successor, and removed from IAM when that is in use', async () => {
    const { distribution, location, serials, served } = await places('www');
    const old = await issue('www.example.com', 'www');
    await inState(old, { state: 'delivered', verification: 'verified', location });
    expect(served()).toEqual([old.serial, old.serial]);
    // CloudFront needs longer than a server may take.
    distribution.arrivingFor = 1000;
    const fresh = await reissue(old);
    const detail = expect.stringContaining('is about to serve');
    expect(await inState(fresh, { state: 'delivered' })).toMatchObject({ verificationDetail: detail });
    program.clock.advance(30 * minuteMs);
    const { id, checkedAt } = await inState(fresh, { state: 'delivered' });
    // Answers show whole seconds: the check is shown as later.
    program.clock.advance(1000);
    await program.ok('POST', `/deliveries/${id}/check`);
    await eventually(async () => (await inState(fresh, {})).checkedAt !== checkedAt);
    expect(await inState(fresh, {})).toMatchObject({ state: 'delivered', verification: 'pending' });
    expect(serials()).toEqual([old.serial, fresh.serial]);
    distribution.arrivingFor = 0;
    await program.ok('POST', `/deliveries/${id}/check`);
    await inState(fresh, { verification: 'verified' });
    await inState(old, { state: 'removed' });
    expect([serials(), served()]).toEqual([[fresh.serial], [fresh.serial, fresh.serial]]);
  });

  it('is served again when its successor does not come into use, with a message to the owner', async () => {
    const { balancer, serials, served } = await places('back');
    const old = await issue('back.example.com', 'back');
    await inState(old, { state: 'delivered', verification: 'verified' });
    balancer.isStuck = true;
    const fresh = await reissue(old);
    const { id } = await inState(fresh, { state: 'delivered', verification: 'pending' });
    expect(served()).toEqual([old.serial, fresh.serial]);
    program.clock.advance(11 * minuteMs);
    await program.ok('POST', `/deliveries/${id}/check`);
    const detail = expect.stringContaining('eu-central-1/back:443 does not serve arn:aws:iam::');
    expect(await inState(fresh, { state: 'rolled-back' })).toMatchObject({ detail });
    await inState(old, { state: 'delivered', verification: 'verified' });
    await eventually(async () =>
      (await program.ok('GET', '/mails')).items.some(({ subject }: Json) => subject.includes('rolled back at back')),
    );
    expect([served(), serials()]).toEqual([
      [old.serial, old.serial],
      [old.serial, fresh.serial],
    ]);
    delete balancer.isStuck;
    await program.ok('POST', `/deliveries/${id}/retry`);
    await inState(fresh, { state: 'delivered', verification: 'verified' });
    await inState(old, { state: 'removed' });
    expect([served(), serials()]).toEqual([[fresh.serial, fresh.serial], [fresh.serial]]);
  });

  it('keeps its place from a certificate of another line', async () => {
    const { location, served } = await places('one');
    const first = await issue('one.example.com', 'one');
    await inState(first, { state: 'delivered' });
    const other = await issue('one.example.org', 'one');
    expect((await inState(other, { state: 'failing' })).detail).toContain(`stands at ${location} already`);
    expect(served()).toEqual([first.serial, first.serial]);
  });
});
