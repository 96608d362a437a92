import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { awsAccount, awsCredentials, awsRegion, type FakeAws, startAws } from '../fakes/aws.js';
import { startTestAuthority } from '../support/bundles.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

const authority = startTestAuthority();
const held = `arn:aws:acm:${awsRegion}:${awsAccount}:certificate/one`;
const balancer = `arn:aws:elasticloadbalancing:${awsRegion}:${awsAccount}:loadbalancer/app/web/1a`;
const api = `arn:aws:apigateway:${awsRegion}::/domainnames/api.example.com`;
let aws: FakeAws;
let program: TestProgram;
let sources = 0;
beforeAll(async () => {
  aws = await startAws();
  program = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
  const { chainPem = [], privateKeyPem: key = '' } = authority.issue('missed.example.com');
  aws.certificates.set(held, { leaf: chainPem[0] ?? '', chain: chainPem[1] ?? '', key, tags: [] });
  aws.listenerCertificates.splice(0, aws.listenerCertificates.length, { arn: held, isDefault: true });
});
afterAll(async () => {
  await program.stop();
  await aws.stop();
  authority.close();
});
beforeEach(() => {
  const listeners = [{ arn: aws.listener, port: 443, protocol: 'HTTPS' }];
  aws.balancers.splice(0, aws.balancers.length, { arn: balancer, name: 'web', listeners });
  aws.classic.splice(0, aws.classic.length, { name: 'plain', port: 443, certificateArn: held, policy: 'old' });
  aws.otherUsers.set(held, [api]);
});

const sourceOf = async (services: string[]): Promise<number> => {
  const options = { ...awsCredentials, endpoint: aws.url, regions: [awsRegion], services };
  const plugin = { id: 'aws-endpoints', options };
  sources += 1;
  const request = { label: `aws-${sources}`, owner: 'web@example.com', active: false, plugin };
  return (await program.ok('POST', '/sources', request)).id;
};
const synced = async (id: number): Promise<Json> => {
  const { id: syncId } = await program.ok('POST', `/sources/${id}/sync`);
  return eventually(async () => {
    const { items } = await program.ok('GET', `/sources/${id}/syncs?count=50`);
    return items.find((item: Json) => item.id === syncId && item.finishedAt !== null);
  });
};
const endpointsOf = async (id: number): Promise<Json[]> =>
  (await program.ok('GET', `/endpoints?filter=source;${id}&sortBy=name&sortDir=asc`)).items;
const staleOf = async (id: number): Promise<string[]> =>
  (await endpointsOf(id)).filter(({ staleSince }) => staleSince !== null).map(({ name }) => name);
const staleLinksOf = async (id: number): Promise<number> =>
  (await program.ok('GET', `/sources/${id}/findings?stale=true`)).total;

/** A scan in which AWS refuses the requests that match. */
async function refused(id: number, on: RegExp): Promise<Json> {
  aws.denied.push(on);
  const sync = await synced(id);
  aws.denied.length = 0;
  return sync;
}

describe('endpoints in a part of the source that cannot be read', () => {
  it('are not missed, nor are their findings, however many scans cannot read it; others are', async () => {
    const id = await sourceOf(['elb']);
    await synced(id);
    expect((await endpointsOf(id)).map(({ name }) => name)).toEqual(['plain', 'web']);
    aws.classic.length = 0;
    for (let n = 0; n < 3; n += 1)
      expect(await refused(id, /DescribeLoadBalancers.*2015-12-01/)).toMatchObject({ state: 'done', troubles: 1 });
    expect(await staleOf(id)).toEqual(['plain']);
    expect(await staleLinksOf(id)).toBe(1);
    const web = (await endpointsOf(id)).find(({ name }) => name === 'web');
    expect(web).toMatchObject({ active: true, detail: expect.any(String) });
    aws.balancers.length = 0;
    await synced(id);
    expect(await staleOf(id)).toEqual(['plain']);
    await synced(id);
    expect(await staleOf(id)).toEqual(['plain', 'web']);
    expect(await staleLinksOf(id)).toBe(2);
  });

  it('are not missed when the part is named by the second part of their id', async () => {
    const id = await sourceOf(['acm', 'elb']);
    await synced(id);
    expect((await endpointsOf(id)).map(({ name }) => name)).toEqual([api, 'plain', 'web']);
    for (let n = 0; n < 2; n += 1)
      expect(await refused(id, /ListCertificates/)).toMatchObject({ state: 'done', troubles: 1 });
    expect(await staleOf(id)).toEqual([]);
  });

  it('are missed in a part that was read, although a part that was not names their certificate', async () => {
    const further = `arn:aws:acm:${awsRegion}:${awsAccount}:certificate/two`;
    aws.certificates.set(further, aws.certificates.get(held) ?? expect.fail());
    aws.listenerCertificates.push({ arn: further, isDefault: false });
    const id = await sourceOf(['acm', 'elb']);
    await synced(id);
    expect((await endpointsOf(id)).map(({ name }) => name)).toEqual([api, 'plain', 'web', 'web']);
    aws.listenerCertificates.pop();
    for (let n = 0; n < 2; n += 1)
      expect(await refused(id, /ListCertificates/)).toMatchObject({ state: 'done', troubles: 1 });
    expect(await staleOf(id)).toEqual(['web']);
    aws.certificates.delete(further);
  });
});

describe('an endpoint that a scan misses', () => {
  it('is deleted when it has been stale for 90 days, however long ago it was seen', async () => {
    const id = await sourceOf(['elb']);
    await synced(id);
    program.clock.advance(91 * dayMs);
    aws.balancers.length = 0;
    await synced(id);
    expect(await staleOf(id)).toEqual([]);
    expect(await endpointsOf(id)).toHaveLength(2);
    await synced(id);
    expect(await staleOf(id)).toEqual(['web']);
    program.clock.advance(89 * dayMs);
    await synced(id);
    expect(await endpointsOf(id)).toHaveLength(2);
    program.clock.advance(2 * dayMs);
    await synced(id);
    expect((await endpointsOf(id)).map(({ name }) => name)).toEqual(['plain']);
  });
});
