import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Held } from '../../src/plugin-api/ca-inventory.js';
import type { OrderRequest, Outcome } from '../../src/plugin-api/issuer.js';
import { parseCertificate } from '../../src/pki/certificate.js';
import { DogtagCa } from '../../test/fakes/dogtag-ca.js';
import type { StandIn } from '../../test/fakes/stand-in.js';
import { describeFaults, failureOf, issue, type IssuerBench } from '../../test/support/issuer-faults.js';
import { networkContext, requestFor, type SigningCa, startSigningCa } from '../../test/support/signing-ca.js';
import { dogtag } from './dogtag.issuer.js';
import type { DogtagOptions } from './dogtag.options.js';
import { parseExactly } from './wire.js';

let signing: SigningCa;
let ca: DogtagCa;
let standIn: StandIn;
beforeAll(() => {
  signing = startSigningCa();
});
afterAll(() => signing.close());
beforeEach(async () => {
  ca = new DogtagCa(signing);
  standIn = await ca.start();
});
afterEach(() => standIn.stop());

const names = ['www.example.test', 'alt.example.test'];
const options = (changed: object = {}): DogtagOptions =>
  dogtag.options.parse({
    url: standIn.url,
    profile: 'tlsManual',
    username: 'agent',
    password: 'agent-password',
    ...changed,
  });
const bench: IssuerBench<typeof dogtag.options> = {
  plugin: dogtag,
  options,
  standIn: () => standIn,
  ca: () => signing,
  names,
  submits: /^POST \/ca\/rest\/certrequests$/,
  reads: /^GET \/ca\/rest\/certrequests\/\d+$/,
  ordered: () => ca.requests.length,
  settle: () => ca.approveAll(),
  wrong: { password: 'wrong-password' },
  secrets: ['agent-password'],
  expire: () => ca.forgetSessions(),
};
describeFaults(bench);

const ctx = networkContext();
const orderOf = async (asked: readonly string[] = names): Promise<OrderRequest> =>
  (await requestFor(asked, { ca: signing })).order;
async function pending(order: OrderRequest, changed: object = {}): Promise<Extract<Outcome, { status: 'pending' }>> {
  const outcome = await dogtag.order(order, options(changed), ctx);
  if (outcome.status !== 'pending') throw new Error(`It is ${outcome.status}.`);
  return outcome;
}
const poll = async (order: OrderRequest, orderRef: string, changed: object = {}): Promise<Outcome | undefined> =>
  dogtag.poll?.({ ...order, orderRef }, options(changed), ctx);
async function held(request = {}): Promise<Held[]> {
  const found: Held[] = [];
  for await (const one of dogtag.list?.(request, options(), ctx) ?? []) found.push(one);
  return found;
}
const twice = async (work: () => Promise<unknown> | undefined): Promise<void> => {
  await work();
  await work();
};
const certificate = async (): Promise<{ chainPem: readonly string[] }> => issue(bench, await orderOf());

const askedNow = (): string => JSON.stringify({ askedAt: new Date().toISOString() });
const lostNonce = { status: 400, body: { Message: 'Nonce for cert-request 1 does not exist' } };

describe('orders at Dogtag', () => {
  it('are issued at once by a profile for agents, with every name', async () => {
    const outcome = await dogtag.order(await orderOf(), options({ profile: 'tlsAuto' }), ctx);
    if (outcome.status !== 'issued') throw new Error(outcome.status);
    const leaf = parseCertificate(outcome.chainPem[0] ?? '');
    expect(leaf.subjectAltNames.map(({ value }) => value)).toEqual(names);
    expect(outcome.externalId).toBe(`0x${leaf.serialHex.toLowerCase()}`);
  });

  it('wait for the approval of an agent, or are approved by ourselves', async () => {
    const order = await orderOf();
    const { orderRef, awaitsApproval } = await pending(order);
    expect(awaitsApproval).toBe(true);
    expect((await poll(order, orderRef))?.status).toBe('pending');
    expect(ca.requests.map(({ status }) => status)).toEqual(['pending']);
    expect((await poll(order, orderRef, { autoApprove: true }))?.status).toBe('issued');
    expect(await poll(order, orderRef, { autoApprove: true })).toMatchObject({ status: 'issued' });
    expect(ca.certificates).toHaveLength(1);
  });

  it('are approved once more after a CA that was restarted has forgotten the nonce', async () => {
    const order = await orderOf();
    const { orderRef } = await pending(order);
    standIn.fail({ on: /approve$/, kind: lostNonce });
    expect((await poll(order, orderRef, { autoApprove: true }))?.status).toBe('issued');
  });

  it('stay open when the nonce of every review is lost', async () => {
    const order = await orderOf();
    const { orderRef } = await pending(order);
    for (let left = 10; left > 0; left -= 1) standIn.fail({ on: /approve$/, kind: lostNonce });
    expect((await failureOf(poll(order, orderRef, { autoApprove: true }))).fault).toBe('unavailable');
    expect(ca.requests.map(({ status }) => status)).toEqual(['pending']);
  });

  it('are not found in an older certificate of the same key when the CA was not asked', async () => {
    const order = await orderOf();
    await issue(bench, order);
    expect(await dogtag.find?.(order, options(), ctx)).toBeNull();
    expect((await dogtag.find?.({ ...order, state: askedNow() }, options(), ctx))?.status).toBe('issued');
  });

  it('are awaited by an account that sees no requests, and are made again when no certificate comes', async () => {
    const { order, saved } = await requestFor(names, { ca: signing });
    ca.roles = [];
    await pending(order);
    const find = (minutes: number) => {
      const now = () => new Date(Date.now() + minutes * 60_000);
      return dogtag.find?.({ ...order, state: saved[0] ?? '' }, options(), { ...ctx, now }) ?? Promise.resolve(null);
    };
    expect((await failureOf(find(14))).fault).toBe('unavailable');
    expect(await find(16)).toBeNull();
    ca.approveAll();
    expect((await find(1))?.status).toBe('issued');
  });

  it('are rejected in the words of the CA', async () => {
    const order = await orderOf();
    const { orderRef } = await pending(order);
    ca.reject(Number(orderRef), 'Subject Name Not Matched');
    expect(await poll(order, orderRef)).toEqual({
      status: 'rejected',
      reason: 'The request 1 was rejected at the CA: Subject Name Not Matched.',
    });
  });

  it('are cancelled at the CA when it refuses our approval', async () => {
    const order = await orderOf();
    const { orderRef } = await pending(order);
    standIn.fail({ on: /approve$/, kind: { status: 400, body: { Message: 'Validity Out of Range' } } });
    expect(await poll(order, orderRef, { autoApprove: true })).toMatchObject({
      status: 'rejected',
      reason: expect.stringContaining('Validity Out of Range'),
    });
    expect(ca.requests.map(({ status }) => status)).toEqual(['canceled']);
  });

  it('are not even made under a profile that would drop names', async () => {
    const error = await failureOf(dogtag.order(await orderOf(), options({ profile: 'caServerCert' }), ctx));
    expect(error.fault).toBe('refused');
    expect(error.detail).toMatch(/profile caServerCert leaves out .*commonNameToSANDefaultImpl.*alt\.example\.test/);
    expect(ca.requests).toEqual([]);
    const alone = await dogtag.order(await orderOf(['www.example.test']), options({ profile: 'caServerCert' }), ctx);
    expect(alone.status).toBe('pending');
  });

  it('need an enabled profile with the inputs that are given', async () => {
    const fault = async (changed: object): Promise<string> =>
      (await failureOf(dogtag.order(await orderOf(), options(changed), ctx))).detail;
    expect(await fault({ profile: 'nope' })).toBe('The CA has no profile nope.');
    expect(await fault({ inputs: ['requestor_phone=1', 'sn_uid=x'] })).toMatch(/has no input sn_uid\. It has .*phone/);
    ca.disabled.add('tlsManual');
    expect(await fault({})).toBe('The profile tlsManual is disabled at the CA.');
    expect((await failureOf(dogtag.check?.(options(), ctx) ?? Promise.resolve())).detail).toMatch(/disabled/);
  });

  it('are cancelled once, and not after they were issued', async () => {
    const order = await orderOf();
    const cancel = async (orderRef: string): Promise<void> => dogtag.cancel?.({ ...order, orderRef }, options(), ctx);
    const { orderRef } = await pending(order);
    await cancel(orderRef);
    await cancel(orderRef);
    expect(ca.requests.map(({ status }) => status)).toEqual(['canceled']);
    const other = await pending(await orderOf());
    ca.approveAll();
    expect((await failureOf(cancel(other.orderRef))).fault).toBe('refused');
  });
});

describe('a Dogtag whose directory server is down', () => {
  it('is unavailable, and has lost neither its agents nor its requests', async () => {
    const [order, issued] = [await orderOf(), await certificate()];
    const { orderRef } = await pending(order);
    ca.isDown = true;
    const works: Record<string, () => Promise<unknown> | undefined> = {
      order: () => dogtag.order(order, options(), ctx),
      poll: () => poll(order, orderRef),
      find: () => dogtag.find?.({ ...order, state: askedNow() }, options(), ctx),
      cancel: () => dogtag.cancel?.({ ...order, orderRef }, options(), ctx),
      revoke: () => dogtag.revoke?.({ ...order, ...issued, reason: 1 }, options(), ctx),
      check: () => dogtag.check?.(options(), ctx),
      list: () => held(),
    };
    for (const [name, work] of Object.entries(works))
      expect([name, (await failureOf(work() ?? Promise.resolve())).fault]).toEqual([name, 'unavailable']);
    ca.isDown = false;
    expect((await poll(order, orderRef))?.status).toBe('pending');
  });

  it('counts as down also when only the answer about a request is 404', async () => {
    const order = await orderOf();
    expect((await failureOf(poll(order, '4711'))).fault).toBe('refused');
    standIn.fail({ on: /search$/, kind: { status: 500, body: { Message: 'Failed to connect LDAP server' } } });
    expect((await failureOf(poll(order, '4711'))).fault).toBe('unavailable');
  });
});

describe('certificates at Dogtag', () => {
  it('are held, released and revoked, each as often as one likes', async () => {
    const issued = await certificate();
    const states = async (): Promise<unknown[]> =>
      (await held()).map((one) => one.kind === 'certificate' && [one.status, one.reason]);
    await twice(() => dogtag.hold?.(issued, options(), ctx));
    expect(await states()).toEqual([['held', 6]]);
    await twice(() => dogtag.release?.(issued, options(), ctx));
    expect(await states()).toEqual([['valid', undefined]]);
    await dogtag.hold?.(issued, options(), ctx);
    const order = await orderOf();
    for (const reason of [1, 4]) await dogtag.revoke?.({ ...order, ...issued, reason }, options(), ctx);
    expect(await states()).toEqual([['revoked', 1]]);
    for (const verb of ['hold', 'release'] as const)
      expect((await failureOf(dogtag[verb]?.(issued, options(), ctx) ?? Promise.resolve())).fault).toBe('refused');
  });

  it('are revoked later when the nonce of every review is lost', async () => {
    const issued = await certificate();
    for (let left = 10; left > 0; left -= 1) standIn.fail({ on: /revoke$/, kind: lostNonce });
    const work = dogtag.revoke?.({ ...(await orderOf()), ...issued, reason: 1 }, options(), ctx);
    expect((await failureOf(work ?? Promise.resolve())).fault).toBe('unavailable');
  });

  it('are listed whole, by name, by serial number and by status, from any place on', async () => {
    for (const name of ['a.example.test', 'b.example.test', 'c.example.test'])
      await issue(bench, await orderOf([name]));
    const all = await held();
    expect(all).toHaveLength(3);
    expect(all[0]).toMatchObject({ status: 'valid', chainPem: [expect.any(String), signing.issuingPem] });
    const serialHex = all[1]?.location ?? '';
    expect((await held({ serialHex })).map(({ location }) => location)).toEqual([serialHex]);
    expect(await held({ commonName: 'B.Example' })).toEqual([all[1]]);
    expect(await held({ skip: 2 })).toEqual([all[2]]);
    expect(await held({ status: 'held' })).toEqual([]);
  });

  it('come with the chain of the CA, which is described without its key', async () => {
    const { issuers } = (await dogtag.describe?.(options(), ctx)) ?? { issuers: [] };
    expect(issuers).toEqual([{ chainPem: [signing.issuingPem, signing.rootPem] }]);
  });
});

describe('requests and profiles at Dogtag', () => {
  it('are listed in parts, looked at and decided', async () => {
    for (let left = 3; left > 0; left -= 1) await pending(await orderOf());
    const { requests } = dogtag;
    const first = await requests?.list({ count: 2, state: 'pending' }, options(), ctx);
    expect(first?.items.map(({ id }) => id)).toEqual(['1', '2']);
    const rest = await requests?.list({ count: 2, after: first?.next ?? '' }, options(), ctx);
    expect(rest).toEqual({ items: [{ id: '3', type: 'enrolment', state: 'pending' }] });
    await requests?.decide({ id: '0x1', action: 'reject', note: 'No.' }, options(), ctx);
    await requests?.decide({ id: '1', action: 'reject' }, options(), ctx);
    expect(await requests?.get({ id: '1' }, options(), ctx)).toMatchObject({
      state: 'rejected',
      note: 'No.',
      profileId: 'tlsManual',
      csrPem: expect.stringContaining('CERTIFICATE REQUEST'),
      policies: expect.arrayContaining([
        expect.objectContaining({ values: expect.arrayContaining([expect.objectContaining({ name: 'notAfter' })]) }),
      ]),
    });
    const decide = async (decision: object): Promise<string> =>
      (
        await failureOf(
          requests?.decide({ id: '2', action: 'update', ...decision }, options(), ctx) ?? Promise.resolve(),
        )
      ).fault;
    expect(await decide({ values: { notAfter: '2037-01-01 00:00:00' } })).toBe('refused');
    expect(await decide({ values: { nonsense: '1' } })).toBe('refused');
    expect(await decide({ id: '1', action: 'approve' })).toBe('refused');
    expect(await decide({ id: '99' })).toBe('refused');
    expect(await requests?.get({ id: '99' }, options(), ctx)).toBeNull();
  });

  it('are enabled and disabled as often as one likes', async () => {
    const { profiles } = dogtag;
    await twice(() => profiles?.disable?.({ id: 'tlsAuto' }, options(), ctx));
    expect(await profiles?.get?.({ id: 'tlsAuto' }, options(), ctx)).toMatchObject({
      enabled: false,
      needsApproval: false,
    });
    await twice(() => profiles?.enable?.({ id: 'tlsAuto' }, options(), ctx));
    const part = await profiles?.list({ count: 2 }, options(), ctx);
    expect([part?.items.map(({ id }) => id), part?.next, part?.total]).toEqual([['tlsManual', 'tlsAuto'], '2', 3]);
    expect(await profiles?.get?.({ id: 'nope' }, options(), ctx)).toBeNull();
    expect(await profiles?.get?.({ id: '../certs' }, options(), ctx)).toBeNull();
  });
});

describe('the options of Dogtag', () => {
  it('name one way to sign in', async () => {
    const admit = async (changed: object): Promise<unknown> =>
      dogtag.admit?.(options(changed), ctx).then(
        () => 'admitted',
        (error: Error) => error.message,
      );
    expect(await admit({})).toBe('admitted');
    for (const changed of [
      { username: undefined, password: undefined },
      { password: undefined },
      { clientPkcs12: 'AAAA' },
    ])
      expect(await admit(changed)).toMatch(/one way to sign in/);
  });
});

describe('parseExactly', () => {
  it('keeps integers of 64 bits, and digits in texts', () => {
    const text = '{"Nonce":-6395459325989458812,"a":"\\" 1234567890123456789 ","b":12,"c":1.5,"d":[9007199254740993]}';
    expect(parseExactly(text)).toEqual({
      Nonce: '-6395459325989458812',
      a: '" 1234567890123456789 ',
      b: 12,
      c: 1.5,
      d: ['9007199254740993'],
    });
  });
});
