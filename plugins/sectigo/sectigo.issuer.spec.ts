import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FakeSectigo, sectigoAccount, startSectigo } from '../../test/fakes/sectigo.js';
import { describeFaults, failureOf, issue } from '../../test/support/issuer-faults.js';
import { networkContext, requestFor, type SigningCa, startSigningCa } from '../../test/support/signing-ca.js';
import { noMemory } from '../../test/support/issuer-requests.js';
import { sectigoBenches } from '../../test/support/sectigo-bench.js';
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

const { clientId, clientSecret } = sectigoAccount;
const { byPassword, byToken, bench, ssl, smime } = sectigoBenches(
  () => fake,
  () => ca,
);

describeFaults(ssl);
describe('with OAuth', () =>
  describeFaults(
    bench({ options: byToken, wrong: { clientSecret: 'Wrong-Secret-2' }, expire: () => fake.expireTokens() }),
  ));
describe('for client certificates', () => describeFaults(smime));

describe('sectigo', () => {
  it('asks for the longest term within the validity, with names as one text and its own mark', async () => {
    const options = byPassword({ externalRequester: ['a@example.com', 'b@example.com'], customFields: ['Cost=42=1'] });
    fake.mandatoryFields = ['Cost'];
    const { order } = await requestFor(ssl.names, { days: 300, ca });
    await sectigo.order(order, options, networkContext());
    expect(fake.orders[0]?.body).toMatchObject({
      orgId: 8,
      certType: 21,
      term: 200,
      subjAltNames: 'www.example.com,example.com',
      externalRequester: 'a@example.com, b@example.com',
      customFields: [{ name: 'Cost', value: '42=1' }],
      comments: 'Perennial key-1',
    });
  });

  it.each([
    ['a profile that the account has not', { profileId: 99 }, {}, 'misconfigured', /21 \(OV SSL\), 22/],
    [
      'a custom field that is missing',
      {},
      { mandatoryFields: ['Cost'] },
      'misconfigured',
      /demands the custom field Cost/,
    ],
    [
      'a custom field that nobody knows',
      { customFields: ['Colour=red'] },
      {},
      'misconfigured',
      /no custom field Colour/,
    ],
    ['a term that the profile has not', { termDays: 91 }, {}, 'misconfigured', /90, 200, 365 days, and not of 91/],
    ['a validity shorter than every term', { profileId: 22 }, {}, 'refused', /365 days, and the request asks for 90/],
  ] as const)('refuses %s before it enrols', async (_, changed, account, fault, detail) => {
    Object.assign(fake, account);
    const { order } = await requestFor(ssl.names, { ca });
    const error = await failureOf(sectigo.order(order, byPassword(changed), networkContext()));
    expect([error.fault, error.detail]).toEqual([fault, expect.stringMatching(detail)]);
    expect(fake.orders).toEqual([]);
  });

  it.each([
    ['neither way to sign in', { login: undefined }],
    ['both ways to sign in', { clientId, clientSecret }],
    ['a client ID alone', { login: undefined, password: undefined, clientId }],
    ['no customer URI', { customerUri: undefined }],
  ])('says that the options are wrong with %s', async (_, changed) => {
    const { order } = await requestFor(ssl.names);
    const work = sectigo.order(order, byPassword(changed), networkContext());
    expect((await failureOf(work, ssl.secrets)).fault).toBe('misconfigured');
    expect(fake.calls).toEqual([]);
  });

  it.each(['root first', 'leaf first', 'PKCS#7 PEM', 'PKCS#7 DER', 'leaf only'] as const)(
    'makes a chain of what comes as %s',
    async (form) => {
      fake.form = form;
      const { chainPem, externalId } = await issue(ssl, (await requestFor(ssl.names, { ca })).order);
      expect([chainPem.length, externalId]).toEqual([2, fake.orders[0]?.ref]);
      ca.verify(chainPem);
    },
  );

  it.each([
    [0, 'Being processed by Sectigo', 'pending'],
    [-183, 'Certificate is not collectable.', 'pending'],
    [-1400, 'The request is being processed by Sectigo.', 'pending'],
    [-109, 'Certificate is not available now, please try again later.', 'pending'],
    [-12345, 'A code that nobody knows', 'unavailable'],
    [-110, 'Certificate was revoked', 'refused'],
  ])('takes code %i when it collects as %s: %s', async (code, description, expected) => {
    const { order } = await requestFor(ssl.names, { ca });
    const { orderRef } = (await sectigo.order(order, byPassword(), networkContext())) as { orderRef: string };
    Object.assign(fake.orders[0] ?? {}, { status: 'Issued' });
    fake.notYet = { code, description };
    const work = sectigo.poll?.({ ...order, orderRef }, byPassword(), networkContext());
    const status = await work?.then(
      (outcome) => outcome.status,
      (error: { fault: string }) => error.fault,
    );
    expect(status).toBe(expected);
  });

  it.each([
    ['Requested', 'pending', /waits for approval/],
    ['Applied', 'pending', /Applied/],
    ['A word of next year', 'pending', /A word of next year/],
    ['Declined', 'rejected', /Declined/],
    ['Rejected', 'rejected', /Rejected/],
    ['Revoked', 'rejected', /Revoked/],
  ])('takes the status %s as %s', async (status, expected, words) => {
    const { order } = await requestFor(ssl.names, { ca });
    const { orderRef } = (await sectigo.order(order, byPassword(), networkContext())) as { orderRef: string };
    Object.assign(fake.orders[0] ?? {}, { status });
    const work = sectigo.poll?.({ ...order, orderRef }, byPassword(), networkContext()) ?? Promise.resolve(null);
    const got = await work.then(
      (outcome) => {
        if (outcome?.status === 'pending') return ['pending', outcome.progress];
        return outcome?.status === 'rejected' ? ['rejected', outcome.reason] : [outcome?.status, ''];
      },
      (error: { fault: string; detail: string }) => [error.fault, error.detail],
    );
    expect(got).toEqual([expected, expect.stringMatching(words)]);
  });

  it.each([
    ['a server certificate by its ID', ssl, true],
    ['a server certificate by its serial number', ssl, false],
    ['a client certificate by its ID', smime, true],
    ['a client certificate by its serial number', smime, false],
  ])('revokes %s, once and again', async (_, product, byId) => {
    const { chainPem, externalId } = await issue(product, (await requestFor(product.names, { ca })).order);
    const certificate = { ...noMemory, chainPem, reason: 4, ...(byId && { externalId }) };
    await sectigo.revoke?.(certificate, product.options(), networkContext());
    expect(fake.orders[0]?.status).toMatch(/^revoked$/i);
    if (byId) await sectigo.revoke?.(certificate, product.options(), networkContext());
  });

  it.each([2, 6, 9])('refuses the reason %i, which Sectigo has not', async (reason) => {
    const { chainPem, externalId } = await issue(ssl, (await requestFor(ssl.names, { ca })).order);
    const work = sectigo.revoke?.({ ...noMemory, chainPem, externalId, reason }, byPassword(), networkContext());
    expect((await failureOf(work ?? Promise.resolve())).fault).toBe('refused');
    expect(fake.orders[0]?.status).toBe('Issued');
  });

  it('withdraws an order that nobody has approved, and no other', async () => {
    const { order } = await requestFor(ssl.names, { ca });
    const { orderRef } = (await sectigo.order(order, byPassword(), networkContext())) as { orderRef: string };
    await sectigo.cancel?.({ ...noMemory, orderRef }, byPassword(), networkContext());
    expect(fake.orders[0]?.status).toBe('Declined');
    await sectigo.cancel?.({ ...noMemory, orderRef }, byPassword(), networkContext());
    await issue(ssl, (await requestFor(ssl.names, { ca, idempotencyKey: 'b' })).order);
    const issued = { ...noMemory, orderRef: fake.orders[1]?.ref ?? '' };
    const work = sectigo.cancel?.(issued, byPassword(), networkContext()) ?? Promise.resolve();
    expect((await failureOf(work)).fault).toBe('refused');
  });

  it('finds its CA in the certificate that was issued last', async () => {
    const work = sectigo.describe?.(byPassword(), networkContext()) ?? Promise.resolve();
    expect((await failureOf(work)).detail).toMatch(/upload the CA certificate/);
    await issue(ssl, (await requestFor(ssl.names, { ca })).order);
    const described = await sectigo.describe?.(byPassword(), networkContext());
    expect(described?.issuers[0]?.chainPem[0]).toBe(ca.issuingPem);
  });

  it('names a person as Sectigo does, else by the common name, and refuses without either', async () => {
    const options = smime.options();
    fake.persons = [{ firstName: 'Alicia', lastName: 'von Example', email: 'alice@example.com' }];
    await sectigo.order((await requestFor(smime.names, { ca })).order, options, networkContext());
    await sectigo.order(
      (await requestFor(['Bob B. Builder', 'bob@example.com'], { ca })).order,
      options,
      networkContext(),
    );
    expect(fake.orders.map(({ body }) => [body.firstName, body.lastName])).toEqual([
      ['Alicia', 'von Example'],
      ['Bob B.', 'Builder'],
    ]);
    for (const names of [['carol@example.com'], ['Dora Doe']]) {
      const { order } = await requestFor(names, { ca });
      expect((await failureOf(sectigo.order(order, options, networkContext()))).fault).toBe('refused');
    }
  });

  it('takes no open order of the same person for its own, and finds its own once that is issued', async () => {
    const { order, saved } = await requestFor(smime.names, { ca });
    fake.fail({ on: smime.submits, kind: 'drop' });
    expect((await failureOf(sectigo.order(order, smime.options(), networkContext()))).fault).toBe('unavailable');
    await sectigo.order((await requestFor(smime.names, { ca })).order, smime.options(), networkContext());
    const find = () => sectigo.find?.({ ...order, state: saved[0] ?? '' }, smime.options(), networkContext());
    expect((await failureOf(find() ?? Promise.resolve())).fault).toBe('unavailable');
    fake.issueAll();
    expect(await find()).toBeNull();
    await sectigo.order(order, smime.options(), networkContext());
    fake.issueAll();
    expect(await find()).toMatchObject({ orderRef: fake.orders[1]?.ref });
  });

  it.each([{ error: 'invalid_client' }, { code: -183, description: 'No such client' }])(
    'says that a person must act when no token is given: %j',
    async (body) => {
      const { order } = await requestFor(ssl.names, { ca });
      fake.fail({ on: /POST .*token$/, kind: { status: 400, body } });
      expect((await failureOf(sectigo.order(order, byToken(), networkContext()))).fault).toBe('misconfigured');
    },
  );

  it('asks for one token for many calls', async () => {
    await issue(bench({ options: byToken }), (await requestFor(ssl.names, { ca })).order);
    expect(fake.seen.filter((line) => line === 'POST /token')).toHaveLength(1);
  });

  it('tries the account, the organization and the profile, and changes nothing', async () => {
    await sectigo.check?.(byPassword(), networkContext());
    await sectigo.check?.(byToken(), networkContext());
    const work = sectigo.check?.(byPassword({ organizationId: 9 }), networkContext()) ?? Promise.resolve();
    expect((await failureOf(work)).detail).toMatch(/it has 7 \(Example\), 8 \(Web\)/);
    expect(fake.seen.every((line) => line.startsWith('GET') || line === 'POST /token')).toBe(true);
  });

  it('refuses a key that the profile does not take, and says which ones it takes', async () => {
    const { order } = await requestFor(ssl.names, { ca });
    const error = await failureOf(sectigo.order(order, byPassword({ profileId: 23 }), networkContext()));
    expect([error.fault, error.detail]).toEqual([
      'refused',
      'Profile RSA SSL takes keys of RSA 2048, RSA 4096, EC P-384, and not EC P-256.',
    ]);
    expect(fake.orders).toEqual([]);
  });
});
