import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AcmeServer, startAcmeServer } from '../../test/fakes/acme-server.js';
import type { StandInFault } from '../../test/fakes/stand-in.js';
import { contextFor } from '../../test/support/dns-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { requestFor, type SigningCa, startSigningCa } from '../../test/support/signing-ca.js';
import type { ChallengeAnswer } from '../../src/plugin-api/challenges.js';
import type { CertificateRequest, OrderRequest, Outcome } from '../../src/plugin-api/issuer.js';
import { parseCertificate } from '../../src/pki/certificate.js';
import { acme } from './acme.issuer.js';
import { renewalIdOf } from './renewal-info.js';

let ca: SigningCa;
let server: AcmeServer;
const shown = new Set<string>();
/** What the authority remembers. */
let memory: string | undefined;

beforeAll(() => {
  ca = startSigningCa();
});
afterAll(() => ca.close());
beforeEach(async () => {
  shown.clear();
  memory = undefined;
  server = await startAcmeServer(ca, shown);
});
afterEach(() => server.standIn.stop());

const ctx = () => contextFor(server.standIn);
const options = (more: object = {}) =>
  acme.options.parse({ directoryUrl: server.directoryUrl, termsOfServiceAgreed: true, ...more });
const remembering = () => ({
  ...(memory !== undefined && { authorityState: memory }),
  saveAuthority: async (state: string) => (memory = state),
});

/** An order for these names; its challenges show what they are told to, or only publish it. */
async function ask(
  names: readonly string[],
  { renews, isVisible = true }: { renews?: CertificateRequest['renews']; isVisible?: boolean } = {},
): Promise<{ order: OrderRequest; saved: string[]; answers: ChallengeAnswer[] }> {
  const { order, saved } = await requestFor(names, { ca });
  const answers: ChallengeAnswer[] = [];
  const challenges: OrderRequest['challenges'] = {
    canPresent: (type) => Promise.resolve(type === 'http-01'),
    present: (answer) => {
      answers.push(answer);
      if (isVisible) shown.add(answer.value);
      return Promise.resolve(isVisible ? 'visible' : 'published');
    },
    withdraw: ({ value }) => {
      shown.delete(value);
      return Promise.resolve();
    },
  };
  const request = { ...order.request, ...(renews && { renews }) };
  return { saved, answers, order: { ...order, request, challenges, ...remembering() } };
}

const poll = (order: OrderRequest, orderRef: string, o = options()): Promise<Outcome> =>
  acme.poll?.({ ...order, ...remembering(), orderRef }, o, ctx()) ?? Promise.reject(new Error());

/** Orders and polls, at most so often, until it is no longer pending. */
async function settled(order: OrderRequest, o = options(), most = 6): Promise<Outcome> {
  let outcome = await acme.order(order, o, ctx());
  for (let left = most; outcome.status === 'pending' && left > 0; left -= 1)
    outcome = await poll(order, outcome.orderRef, o);
  return outcome;
}

async function issued(order: OrderRequest, o = options()): Promise<readonly string[]> {
  const outcome = await settled(order, o);
  if (outcome.status !== 'issued') throw new Error(JSON.stringify(outcome));
  return outcome.chainPem;
}

describe('acme', () => {
  it('issues with one account for all orders, and removes every answer', async () => {
    ca.verify(await issued((await ask(['www.example.com', 'api.example.com'])).order));
    ca.verify(await issued((await ask(['other.example.com'])).order));
    expect(server.accounts).toHaveLength(1);
    expect(shown.size).toBe(0);
  });

  it('proves a wildcard by dns-01, and a name by what can be presented', async () => {
    const { order, answers } = await ask(['*.example.com', 'www.example.com']);
    await issued(order);
    expect([...new Set(answers.map(({ type, domain }) => `${type} ${domain}`))].sort()).toEqual([
      'dns-01 example.com',
      'http-01 www.example.com',
    ]);
  });

  it('proves names by tls-alpn-01 where that is wanted, and wildcards nevertheless by dns-01', async () => {
    const { order, answers } = await ask(['*.example.com', 'www.example.com']);
    await issued(order, options({ challenge: 'tls-alpn-01' }));
    expect([...new Set(answers.map(({ type, domain }) => `${type} ${domain}`))].sort()).toEqual([
      'dns-01 example.com',
      'tls-alpn-01 www.example.com',
    ]);
    for (const { type, value } of answers)
      if (type === 'tls-alpn-01') expect(Buffer.from(value, 'base64url')).toHaveLength(32);
    expect(shown.size).toBe(0);
  });

  it('says that another order proves the name first', async () => {
    const { order } = await ask(['www.example.com'], { isVisible: false });
    expect(await settled(order, options({ challenge: 'tls-alpn-01' }), 2)).toMatchObject({
      status: 'pending',
      progress: 'Another order proves www.example.com by tls-alpn-01 first.',
    });
  });

  it('tells the CA to look only once the answer can be seen', async () => {
    const { order } = await ask(['www.example.com'], { isVisible: false });
    expect(await settled(order, options(), 2)).toMatchObject({
      status: 'pending',
      progress: 'The TXT record for www.example.com is not at every name server yet.',
    });
    expect(server.standIn.seen.filter((line) => line.startsWith('POST /chall'))).toEqual([]);
  });

  it('ends an order whose name was not proven, with what the CA says', async () => {
    server.validates = false;
    const { order } = await ask(['www.example.com']);
    expect(await settled(order)).toEqual({
      status: 'rejected',
      reason: 'www.example.com was not proven: The answer is wrong. (unauthorized).',
    });
    expect(shown.size).toBe(0);
  });

  it.each<[string, RegExp, StandInFault['kind']]>([
    ['the answer to the CSR is lost', /POST \/finalize/, 'lose'],
    ['the answer to a challenge is lost', /POST \/chall/, 'lose'],
    ['an order cannot be read', /POST \/order\/0/, { status: 502, body: '<html>' }],
    ['the certificate comes as HTML', /POST \/cert/, { status: 200, body: '<html>Maintenance</html>' }],
    ['a nonce is not given', /HEAD \/nonce/, { status: 503, body: '' }],
  ])('goes on where it was after %s, and orders once', async (_, on, kind) => {
    const { order } = await ask(['www.example.com']);
    const made = await acme.order(order, options(), ctx());
    if (made.status !== 'pending') throw new Error('It is not pending.');
    server.standIn.fail({ on, kind });
    const faults: string[] = [];
    let last: Outcome = made;
    for (let left = 8; last.status === 'pending' && left > 0; left -= 1) {
      try {
        last = await poll(order, made.orderRef);
      } catch (error) {
        faults.push((error as { fault: string }).fault);
      }
    }
    expect([last.status, faults, server.orders.length]).toEqual(['issued', ['unavailable'], 1]);
  });

  it('finds its order again by what it saved, whatever became of its answer', async () => {
    const { order, saved } = await ask(['www.example.com']);
    expect(await acme.find?.(order, options(), ctx())).toBeNull();
    await acme.order(order, options(), ctx());
    const found = await acme.find?.({ ...order, state: saved.at(-1) ?? '' }, options(), ctx());
    expect(found).toMatchObject({ status: 'pending', orderRef: 'https://acme.test/order/0' });
  });

  it.each([
    ['stored', false],
    ['saved, and the process died', true],
  ])('orders anew when the CA used the order for another key, and goes on once that is %s', async (_, dies) => {
    const [first, second] = [await ask(['www.example.com']), await ask(['www.example.com'])];
    const [leafPem] = await issued(first.order);
    const shared = 'https://acme.test/order/0';
    const anew = await poll(second.order, shared);
    expect(anew).toMatchObject({ status: 'pending', orderRef: 'https://acme.test/order/1' });
    expect(second.saved).toEqual(['https://acme.test/order/1 1']);
    const after = { ...second.order, ...(dies && { state: second.saved[0] ?? '' }) };
    const orderRef = dies || anew.status !== 'pending' ? shared : anew.orderRef;
    let last = anew;
    for (let left = 6; last.status === 'pending' && left > 0; left -= 1) last = await poll(after, orderRef);
    if (last.status !== 'issued') throw new Error(last.status);
    expect(parseCertificate(last.chainPem[0] ?? '').spkiDer).toEqual(second.order.request.spkiDer);
    expect([server.orders.length, last.chainPem[0] === leafPem]).toEqual([2, false]);
  });

  it('stores the key of its account before the CA hears of it, and uses it after a crash', async () => {
    server.standIn.fail({ on: /POST \/account/, kind: 'lose' });
    const first = await ask(['www.example.com']);
    expect((await failureOf(acme.order(first.order, options(), ctx()))).fault).toBe('unavailable');
    expect(memory).toBeDefined();
    await issued((await ask(['www.example.com'])).order);
    expect(server.accounts).toHaveLength(1);
  });

  it.each<[string, RegExp, object]>([
    ['the registration', /POST \/account$/, {}],
    ['new contacts', /POST \/account\/./, { contacts: ['pki@example.com'] }],
  ])('says that a person must act when the CA refuses %s', async (_, on, changed) => {
    if (Object.keys(changed).length > 0) await issued((await ask(['www.example.com'])).order);
    const body = { type: 'urn:ietf:params:acme:error:malformed', detail: 'The external account is unknown.' };
    server.standIn.fail({ on, kind: { status: 400, body } });
    const failure = await failureOf(acme.order((await ask(['www.example.com'])).order, options(changed), ctx()));
    expect([failure.fault, failure.detail]).toEqual(['misconfigured', expect.stringContaining('account is unknown')]);
  });

  it('signs again under the new key of its account when another call has changed it meanwhile', async () => {
    await issued((await ask(['www.example.com'])).order);
    const { order } = await ask(['other.example.com']);
    await acme.changeAccountKey?.(remembering(), options(), ctx());
    const saveAuthority = () => Promise.resolve(memory ?? '');
    expect(await acme.order({ ...order, saveAuthority }, options(), ctx())).toMatchObject({ status: 'pending' });
  });

  it('registers again under the same key at a CA that has lost its accounts', async () => {
    await issued((await ask(['www.example.com'])).order);
    server.forget();
    await issued((await ask(['www.example.com'])).order);
    expect(new Set(server.accounts).size).toBe(1);
  });

  it.each<[string, StandInFault['kind'] | null]>([
    ['at once', null],
    ['although the answer was lost', 'lose'],
    ['although the CA did not get the request', 'drop'],
  ])('changes the key of its account %s, and goes on with the same account', async (_, kind) => {
    await issued((await ask(['www.example.com'])).order);
    const before = memory;
    if (kind !== null) server.standIn.fail({ on: /POST \/key-change/, kind });
    const change = Promise.resolve(acme.changeAccountKey?.(remembering(), options(), ctx()));
    if (kind === null) await change;
    else expect((await failureOf(change)).fault).toBe('unavailable');
    expect(memory).not.toBe(before);
    await issued((await ask(['other.example.com'])).order);
    expect(server.standIn.seen.filter((line) => line === 'POST /account').length).toBeLessThanOrEqual(2);
    expect([server.accounts.length, new Set(server.accounts).size]).toEqual([2, 2]);
  });

  it('signs again with a fresh nonce when the CA does not accept one, and not for ever', async () => {
    const refuse = (times: number): void => {
      const kind = { status: 400, body: { type: 'urn:ietf:params:acme:error:badNonce', detail: 'It is spent.' } };
      for (let left = times; left > 0; left -= 1) server.standIn.fail({ on: /POST \/order$/, kind });
    };
    refuse(3);
    await issued((await ask(['www.example.com'])).order);
    refuse(20);
    const failure = await failureOf(acme.order((await ask(['www.example.com'])).order, options(), ctx()));
    expect([failure.fault, server.orders.length]).toEqual(['unavailable', 1]);
  });

  it('waits as long as a rate limit says', async () => {
    const body = { type: 'urn:ietf:params:acme:error:rateLimited', detail: 'too many certificates' };
    server.standIn.fail({ on: /POST \/order$/, kind: { status: 429, body, headers: { 'retry-after': '3600' } } });
    const failure = await failureOf(acme.order((await ask(['www.example.com'])).order, options(), ctx()));
    expect([failure.fault, failure.retryAfterS, failure.detail]).toEqual([
      'unavailable',
      3600,
      'acme.test answers: too many certificates (rateLimited).',
    ]);
  });

  it('says what it renews, and orders without that when the CA refuses it (22: acmebot#1196)', async () => {
    const chainPem = await issued((await ask(['www.example.com'])).order);
    const renewing = async (): Promise<void> =>
      void (await issued((await ask(['www.example.com'], { renews: { chainPem } })).order));
    await renewing();
    await renewing();
    const id = renewalIdOf(chainPem[0]);
    expect(server.orders.map(({ replaces }) => replaces)).toEqual([undefined, id, undefined]);
    const { serialHex } = parseCertificate(chainPem[0] ?? '');
    expect(
      Buffer.from(id?.split('.')[1] ?? '', 'base64url')
        .toString('hex')
        .toUpperCase(),
    ).toContain(serialHex);
  });

  it('reads the window in which the CA suggests to renew', async () => {
    const chainPem = await issued((await ask(['www.example.com'])).order);
    expect(await acme.renewalInfo?.({ chainPem }, options(), ctx())).toEqual({
      windowStart: new Date('2026-05-01T00:00:00Z'),
      windowEnd: new Date('2026-05-03T00:00:00Z'),
      retryAfterS: 21_600,
    });
    expect(server.standIn.seen.at(-1)).toBe(`GET /ari/${renewalIdOf(chainPem[0])}`);
  });

  it('revokes once, and takes a certificate that is revoked as done', async () => {
    const chainPem = await issued((await ask(['www.example.com'])).order);
    for (const reason of [1, 4]) await acme.revoke?.({ chainPem, reason, ...remembering() }, options(), ctx());
    expect(server.revoked).toHaveLength(1);
  });

  it('cancels by ending open authorizations, and no order that is issued', async () => {
    const { order } = await ask(['www.example.com']);
    const open = await acme.order(order, options(), ctx());
    const orderRef = open.status === 'pending' ? open.orderRef : '';
    await acme.cancel?.({ orderRef, ...remembering() }, options(), ctx());
    expect(await poll(order, orderRef)).toMatchObject({ status: 'rejected' });
    await issued((await ask(['other.example.com'])).order);
    const done = acme.cancel?.({ orderRef: 'https://acme.test/order/1', ...remembering() }, options(), ctx());
    expect((await failureOf(Promise.resolve(done))).fault).toBe('refused');
    await acme.cancel?.({ orderRef: 'https://acme.test/order/7', ...remembering() }, options(), ctx());
  });

  it('says what a person must do: agree to the terms, complete an external account, or name a profile', async () => {
    const refusing = acme.order(
      (await ask(['www.example.com'])).order,
      options({ termsOfServiceAgreed: false }),
      ctx(),
    );
    expect(await failureOf(refusing)).toMatchObject({ fault: 'misconfigured', detail: expect.stringMatching(/terms/) });
    const half = options({ eabKeyId: 'kid' });
    expect(await failureOf(Promise.resolve(acme.admit?.(half, ctx())))).toMatchObject({ fault: 'misconfigured' });
    const unknown = acme.check?.(options({ profile: 'nothing' }), ctx());
    expect((await failureOf(Promise.resolve(unknown))).detail).toContain('it has: classic');
    await acme.check?.(options({ profile: 'classic' }), ctx());
  });

  it('refuses names that ACME does not know', async () => {
    const mail = acme.order((await ask(['me@example.com'])).order, options(), ctx());
    expect((await failureOf(mail)).fault).toBe('refused');
  });
});
