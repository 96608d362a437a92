import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fastpkiAccount, type FakeFastpki, startFastpki } from '../../test/fakes/fastpki.js';
import { describeFaults, failureOf, issue, type IssuerBench } from '../../test/support/issuer-faults.js';
import { noMemory } from '../../test/support/issuer-requests.js';
import { networkContext, requestFor, type SigningCa, startSigningCa } from '../../test/support/signing-ca.js';
import { fastpki } from './fastpki.issuer.js';

let ca: SigningCa;
let fake: FakeFastpki;
beforeAll(() => {
  ca = startSigningCa();
});
afterAll(() => ca.close());
beforeEach(async () => {
  fake = await startFastpki(ca);
});
afterEach(() => fake.stop());

const bench: IssuerBench<typeof fastpki.options> = {
  plugin: fastpki,
  options: (changed) =>
    fastpki.options.parse({ url: `${fake.url}/`, ...fastpkiAccount, caName: 'Issuing CA', ...changed }),
  standIn: () => fake,
  ca: () => ca,
  names: ['www.example.com', 'example.com'],
  submits: /sign-csr$/,
  ordered: () => fake.certificates.length,
  wrong: { password: 'Wrong-Passwort-1' },
  secrets: [fastpkiAccount.password],
  expire: () => fake.expire(true),
};
const { options } = bench;
const ask = () => requestFor(bench.names, { ca });

describeFaults(bench);

describe('fastpki', () => {
  it('refreshes a token that has expired without signing in again', async () => {
    await issue(bench, (await ask()).order);
    fake.expire();
    await issue(bench, (await ask()).order);
    expect(fake.seen.filter((line) => line === 'POST /api/v1/auth/token')).toHaveLength(1);
    expect(fake.seen.filter((line) => line === 'POST /api/v1/auth/refresh')).toHaveLength(1);
  });

  it.each([400, 403, 422])('signs in again when a refresh is answered with %i', async (status) => {
    await issue(bench, (await ask()).order);
    fake.expire();
    fake.fail({ on: /refresh$/, kind: { status, body: { detail: 'No such token' } } });
    expect((await issue(bench, (await ask()).order)).chainPem).toHaveLength(2);
  });

  it('says that a person must act when no token is given', async () => {
    fake.fail({ on: /token$/, kind: { status: 400, body: { detail: 'Inactive user' } } });
    expect((await failureOf(fastpki.order((await ask()).order, options(), networkContext()))).fault).toBe(
      'misconfigured',
    );
  });

  it('takes the CA by its ID, and names the others when there is no such CA', async () => {
    await fastpki.order((await ask()).order, options({ caName: '4' }), networkContext());
    const error = await failureOf(fastpki.order((await ask()).order, options({ caName: 'No' }), networkContext()));
    expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining('Issuing CA (4)')]);
  });

  it('refuses names that the certificate type does not have, and less than a day', async () => {
    const mail = await requestFor(['alice@example.com'], { ca });
    expect((await failureOf(fastpki.order(mail.order, options(), networkContext()))).fault).toBe('refused');
    const short = await requestFor(bench.names, { ca, days: 0.9 });
    expect((await failureOf(fastpki.order(short.order, options(), networkContext()))).fault).toBe('refused');
  });

  it.each([true, false])('revokes once and again (by ID: %s)', async (byId) => {
    const { chainPem, externalId } = await issue(bench, (await ask()).order);
    const request = { ...noMemory, chainPem, reason: 1, ...(byId && { externalId }) };
    await fastpki.revoke?.(request, options(), networkContext());
    await fastpki.revoke?.(request, options(), networkContext());
    expect(fake.certificates[0]).toMatchObject({ status: 'revoked', reason: 'Key compromise' });
  });

  it('lists what the CA holds', async () => {
    await issue(bench, (await ask()).order);
    const { chainPem } = await issue(bench, (await requestFor(['mail.example.com'], { ca })).order);
    await fastpki.revoke?.({ ...noMemory, chainPem, reason: 0 }, options(), networkContext());
    const locations = async (request: object): Promise<string[]> => {
      const found: string[] = [];
      for await (const one of fastpki.list?.(request, options(), networkContext()) ?? []) found.push(one.location);
      return found;
    };
    expect(await locations({})).toEqual(['100', '101']);
    expect(await locations({ status: 'revoked' })).toEqual(['101']);
    expect(await locations({ commonName: 'WWW' })).toEqual(['100']);
    expect(await locations({ skip: 1 })).toEqual(['101']);
  });

  it('names its CA and those above it, and changes nothing in a test of the connection', async () => {
    await fastpki.check?.(options(), networkContext());
    expect(await fastpki.describe?.(options(), networkContext())).toEqual({
      issuers: [{ chainPem: [ca.issuingPem, ca.rootPem] }],
    });
    expect(fake.certificates).toEqual([]);
  });
});
