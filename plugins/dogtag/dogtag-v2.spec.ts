import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CaRequestLabel, Part } from '../../src/plugin-api/ca-administration.js';
import type { Held } from '../../src/plugin-api/ca-inventory.js';
import { DogtagCaV2 } from '../../test/fakes/dogtag-v2.js';
import type { StandIn } from '../../test/fakes/stand-in.js';
import { describeFaults, failureOf, issue, type IssuerBench } from '../../test/support/issuer-faults.js';
import { noMemory } from '../../test/support/issuer-requests.js';
import { networkContext, requestFor, type SigningCa, startSigningCa } from '../../test/support/signing-ca.js';
import { dogtag } from './dogtag.issuer.js';

let signing: SigningCa;
let ca: DogtagCaV2;
let standIn: StandIn;
beforeAll(() => {
  signing = startSigningCa();
});
afterAll(() => signing.close());
beforeEach(async () => {
  ca = new DogtagCaV2(signing);
  standIn = await ca.start();
});
afterEach(() => standIn.stop());

const bench: IssuerBench<typeof dogtag.options> = {
  plugin: dogtag,
  options: (changed) =>
    dogtag.options.parse({
      url: standIn.url,
      profile: 'tlsManual',
      username: 'agent',
      password: 'agent-password',
      ...changed,
    }),
  standIn: () => standIn,
  ca: () => signing,
  names: ['www.example.test', 'alt.example.test'],
  submits: /^POST \/ca\/v2\/certrequests$/,
  reads: /^GET \/ca\/v2\/certrequests\/\d+$/,
  ordered: () => ca.requests.length,
  settle: () => ca.approveAll(),
  wrong: { password: 'wrong-password' },
  secrets: ['agent-password'],
  expire: () => ca.forgetSessions(),
};
const { options } = bench;
const ctx = networkContext();
const order = async () => (await requestFor(bench.names, { ca: signing })).order;
async function held(request = {}): Promise<Held[]> {
  const found: Held[] = [];
  for await (const one of dogtag.list?.(request, options(), ctx) ?? []) found.push(one);
  return found;
}

describeFaults(bench);

describe('Dogtag 11.6 and later', () => {
  it('is asked at its own root alone', async () => {
    await issue(bench, await order());
    expect(standIn.seen.filter((line) => !line.includes(' /ca/v2/'))).toEqual([]);
  });

  it('issues at once, and by an approval of ours, under nonces of 64 bits', async () => {
    expect((await dogtag.order(await order(), options({ profile: 'tlsAuto' }), ctx)).status).toBe('issued');
    const asked = await order();
    const outcome = await dogtag.order(asked, options(), ctx);
    if (outcome.status !== 'pending') throw new Error(outcome.status);
    expect(outcome).toMatchObject({ orderRef: '2', awaitsApproval: true });
    const poll = { ...asked, orderRef: outcome.orderRef };
    expect((await dogtag.poll?.(poll, options({ autoApprove: true }), ctx))?.status).toBe('issued');
  });

  it('pages through its requests by their number, and through its certificates without a total', async () => {
    for (let left = 3; left > 0; left -= 1) await dogtag.order(await order(), options(), ctx);
    const seen: string[] = [];
    for (let after: string | undefined = '0'; after !== undefined;) {
      const part: Part<CaRequestLabel> | undefined = await dogtag.requests?.list(
        { after, count: 2, state: 'pending' },
        options(),
        ctx,
      );
      seen.push(...(part?.items.map(({ id }) => id) ?? []));
      after = part?.next;
    }
    expect(seen).toEqual(['1', '2', '3']);
    ca.approveAll();
    expect(await held({ skip: 1 })).toHaveLength(2);
  });

  it('shows a request and a profile, and decides', async () => {
    await dogtag.order(await order(), options(), ctx);
    expect(await dogtag.requests?.get({ id: '1' }, options(), ctx)).toMatchObject({
      id: '1',
      state: 'pending',
      profileId: 'tlsManual',
      createdAt: new Date('2026-03-01T10:00:00Z'),
      csrPem: expect.stringContaining('CERTIFICATE REQUEST'),
    });
    await dogtag.requests?.decide({ id: '1', action: 'reject', note: 'No.' }, options(), ctx);
    expect(await dogtag.requests?.get({ id: '1' }, options(), ctx)).toMatchObject({ state: 'rejected', note: 'No.' });
    expect(await dogtag.requests?.get({ id: '99' }, options(), ctx)).toBeNull();
    expect(await dogtag.profiles?.get?.({ id: 'tlsManual' }, options(), ctx)).toMatchObject({ enabled: true });
    expect(await dogtag.profiles?.get?.({ id: 'other' }, options(), ctx)).toBeNull();
  });

  it('holds, releases and revokes, and names its CA', async () => {
    const { chainPem } = await issue(bench, await order());
    const status = (): string => `${ca.certificates[0]?.status} ${ca.certificates[0]?.reason}`;
    await dogtag.hold?.({ chainPem }, options(), ctx);
    expect(status()).toBe('REVOKED 6');
    await dogtag.release?.({ chainPem }, options(), ctx);
    expect(status()).toBe('VALID null');
    await dogtag.revoke?.({ ...noMemory, chainPem, reason: 4 }, options(), ctx);
    expect(status()).toBe('REVOKED 4');
    expect(await held({ status: 'revoked' })).toMatchObject([{ status: 'revoked', reason: 4 }]);
    expect((await dogtag.describe?.(options(), ctx))?.issuers[0]?.chainPem).toEqual([
      signing.issuingPem,
      signing.rootPem,
    ]);
  });

  it('believes no unknown request while the directory server is down', async () => {
    const asked = await order();
    await dogtag.order(asked, options(), ctx);
    ca.isDown = true;
    const polled = dogtag.poll?.({ ...asked, orderRef: '1' }, options(), ctx) ?? Promise.resolve();
    expect((await failureOf(polled)).fault).toBe('unavailable');
  });
});
