import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { awsAccount, awsCredentials, awsRegion, type FakeAws, startAws } from '../fakes/aws.js';
import { startTestAuthority } from '../support/bundles.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

const authority = startTestAuthority();
const held = `arn:aws:acm:${awsRegion}:${awsAccount}:certificate/one`;
const balancer = `arn:aws:elasticloadbalancing:${awsRegion}:${awsAccount}:loadbalancer/app/web/1a`;
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
