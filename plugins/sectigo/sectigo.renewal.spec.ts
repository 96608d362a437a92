import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FakeSectigo, startSectigo } from '../../test/fakes/sectigo.js';
import { failureOf, issue } from '../../test/support/issuer-faults.js';
import { noMemory } from '../../test/support/issuer-requests.js';
import { type GivenSectigo as Given, sectigoBenches } from '../../test/support/sectigo-bench.js';
import { networkContext, requestFor, type SigningCa, startSigningCa } from '../../test/support/signing-ca.js';
import { parseCertificate } from '../../src/pki/certificate.js';
import { isOfKey } from '../../src/pki/issued-chain.js';
import type { OrderRequest } from '../../src/plugin-api/issuer.js';
import { sectigo } from './sectigo.issuer.js';

let ca: SigningCa;
let fake: FakeSectigo;
beforeAll(() => {
  ca = startSigningCa();
});
afterAll(() => ca.close());
beforeEach(async () => {
  fake = await startSectigo(ca);
});
afterEach(() => fake.stop());

const { byPassword, ssl, smime } = sectigoBenches(
  () => fake,
  () => ca,
);

describe('a renewal at Sectigo', () => {
  const renewing = (changed: Given = {}) => byPassword({ renewsAtSectigo: true, ...changed });
  /** A certificate, and the request of its renewal for so many days. */
  const renewal = async (days: number, names = ssl.names, sameKey = false) => {
    const first = await requestFor(ssl.names, { days: 90, ca });
    const renews = await issue(ssl, first.order);
    const next = await requestFor(names, { days, ca, idempotencyKey: 'next' });
    const request = sameKey ? { ...next.order.request, ...keyOf(first.order.request) } : next.order.request;
    return { ...next, order: { ...next.order, request: { ...request, renews } }, renews };
  };
  const keyOf = ({ csrPem, spkiDer }: { csrPem: string; spkiDer: Buffer }) => ({ csrPem, spkiDer });
  const polled = (order: OrderRequest, orderRef: string) =>
    sectigo.poll?.({ ...order, orderRef }, renewing(), networkContext());
  const collectedOf = async (order: OrderRequest, orderRef: string) => {
    fake.issueAll();
    const outcome = await polled(order, orderRef);
    if (outcome?.status !== 'issued') throw new Error('It is not issued.');
    expect(isOfKey(parseCertificate(outcome.chainPem[0] ?? ''), order.request.spkiDer)).toBe(true);
    return outcome;
  };

  it('is made by the ID of the certificate, with the new key', async () => {
    const { order } = await renewal(200);
    const placed = (await sectigo.order(order, renewing(), networkContext())) as { orderRef: string };
    expect(fake.orders[1]).toMatchObject({ renews: fake.orders[0]?.ref, ref: placed.orderRef });
    await collectedOf(order, placed.orderRef);
  });

  it('is a new order without the option, and for other names', async () => {
    await sectigo.order((await renewal(200)).order, byPassword(), networkContext());
    await sectigo.order((await renewal(200, ['www.example.com'])).order, renewing(), networkContext());
    expect(fake.orders.map(({ renews }) => renews)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('is a new order when Sectigo refuses to renew', async () => {
    const { order, saved } = await renewal(200);
    Object.assign(fake.orders[0] ?? {}, { status: 'Revoked' });
    const placed = (await sectigo.order(order, renewing(), networkContext())) as { orderRef: string };
    expect(fake.orders[1]?.body.comments).toBe('Perennial next');
    expect(await sectigo.find?.({ ...order, state: saved.at(-1) ?? '' }, renewing(), networkContext())).toMatchObject({
      orderRef: placed.orderRef,
    });
  });

  it('is found by its key when its answer was lost', async () => {
    const { order, saved } = await renewal(200);
    fake.fail({ on: /renewById/, kind: 'lose' });
    expect((await failureOf(sectigo.order(order, renewing(), networkContext()))).fault).toBe('unavailable');
    const find = () => sectigo.find?.({ ...order, state: saved.at(-1) ?? '' }, renewing(), networkContext());
    expect((await failureOf(find() ?? Promise.resolve())).fault).toBe('unavailable');
    fake.issueAll();
    expect(await find()).toMatchObject({ status: 'pending', orderRef: fake.orders[1]?.ref });
    expect(fake.orders).toHaveLength(2);
  });

  it('is not found when Sectigo never got it', async () => {
    const { order, saved } = await renewal(200);
    fake.fail({ on: /renewById/, kind: 'drop' });
    expect((await failureOf(sectigo.order(order, renewing(), networkContext()))).fault).toBe('unavailable');
    const found = sectigo.find?.({ ...order, state: saved.at(-1) ?? '' }, renewing(), networkContext());
    expect(await found).toBeNull();
  });

  it('replaces a certificate whose end stays, and waits until its ID shows the new key', async () => {
    const { order, renews } = await renewal(60);
    const placed = (await sectigo.order(order, renewing(), networkContext())) as { orderRef: string };
    expect(placed.orderRef).toBe(renews.externalId);
    expect(await polled(order, placed.orderRef)).toMatchObject({ status: 'pending' });
    await collectedOf(order, placed.orderRef);
    expect(fake.orders).toHaveLength(1);
  });

  it('finds a replacement by its key alone', async () => {
    const { order, saved } = await renewal(60);
    fake.fail({ on: /replace/, kind: 'lose' });
    expect((await failureOf(sectigo.order(order, renewing(), networkContext()))).fault).toBe('unavailable');
    const find = () => sectigo.find?.({ ...order, state: saved.at(-1) ?? '' }, renewing(), networkContext());
    expect(await find()).toBeNull();
    fake.issueAll();
    expect(await find()).toMatchObject({ orderRef: fake.orders[0]?.ref });
  });

  it('leaves the certificate that has the ID now when the replaced one is revoked', async () => {
    const { order, renews } = await renewal(60);
    const placed = (await sectigo.order(order, renewing(), networkContext())) as { orderRef: string };
    await collectedOf(order, placed.orderRef);
    const revocation = { ...noMemory, ...renews, reason: 4 };
    const work = sectigo.revoke?.(revocation, renewing(), networkContext()) ?? Promise.resolve();
    expect((await failureOf(work)).fault).toBe('refused');
    expect(fake.orders[0]?.status).toBe('Issued');
    expect(fake.seen.filter((line) => line.includes('revoke'))).toEqual([expect.stringContaining('revoke/serial/')]);
  });

  it.each([true, false])('renews a client certificate there if it keeps its key (%s)', async (sameKey) => {
    const options = (changed: Given = {}) => renewing({ product: 'smime', ...changed });
    const first = await requestFor(smime.names, { days: 90, ca });
    const renews = await issue(smime, first.order);
    const next = await requestFor(smime.names, { days: 200, ca });
    const request = { ...next.order.request, ...(sameKey && keyOf(first.order.request)), renews };
    await sectigo.order({ ...next.order, request }, options(), networkContext());
    expect(fake.orders[1]?.renews).toBe(sameKey ? fake.orders[0]?.ref : undefined);
  });
});

describe('the list of what Sectigo holds', () => {
  const listed = async (product: typeof ssl, request: object = {}): Promise<string[]> => {
    const found: string[] = [];
    for await (const one of sectigo.list?.(request, product.options(), networkContext()) ?? [])
      found.push(`${one.kind} ${one.location}`);
    return found;
  };

  it.each([
    ['server certificates', ssl, ['mail.example.com']],
    ['client certificates', smime, ['Bob Builder', 'bob@example.com']],
  ])('has %s by name, state and serial number, without those that are revoked', async (_, product, others) => {
    const first = await issue(product, (await requestFor(product.names, { ca })).order);
    await issue(product, (await requestFor(others, { ca })).order);
    const gone = await issue(product, (await requestFor(product.names, { ca, idempotencyKey: 'c' })).order);
    await sectigo.revoke?.({ ...noMemory, ...gone, reason: 4 }, product.options(), networkContext());
    await sectigo.order((await requestFor(product.names, { ca })).order, product.options(), networkContext());
    const [a = '', b = ''] = fake.orders.map(({ ref }) => `certificate ${ref}`);
    expect(await listed(product)).toEqual([a, b]);
    expect(await listed(product, { status: 'valid' })).toEqual([a, b]);
    expect(await listed(product, { status: 'revoked' })).toEqual([]);
    expect(await listed(product, { skip: 1 })).toEqual([b]);
    expect(await listed(product, { commonName: (others[0] ?? '').toUpperCase() })).toEqual([b]);
    expect(await listed(product, { skip: 1, status: 'valid' })).toEqual([b]);
    const { serialHex } = parseCertificate(first.chainPem[0] ?? '');
    expect(await listed(product, { serialHex })).toEqual([a]);
  });

  it('names one that cannot be collected, and shows the others', async () => {
    for (const idempotencyKey of ['a', 'b'])
      await issue(ssl, (await requestFor(ssl.names, { ca, idempotencyKey })).order);
    fake.fail({ on: /collect/, kind: { status: 400, body: { code: -110, description: 'Certificate was revoked' } } });
    const [a, b] = fake.orders.map(({ ref }) => ref);
    expect(await listed(ssl)).toEqual([`trouble ${a}`, `certificate ${b}`]);
  });

  it('goes through all pages', async () => {
    await issue(ssl, (await requestFor(ssl.names, { ca })).order);
    const [order] = fake.orders;
    if (order) for (let id = 1001; id < 1250; id += 1) fake.orders.push({ ...order, id, ref: String(id) });
    const last = await listed(ssl, { skip: 249 });
    expect(last).toEqual(['certificate 1249']);
  });
});
