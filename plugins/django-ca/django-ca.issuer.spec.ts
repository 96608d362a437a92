import { X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { djangoAccount, type FakeDjangoCa, startDjangoCa } from '../../test/fakes/django-ca.js';
import { describeFaults, failureOf, issue, type IssuerBench } from '../../test/support/issuer-faults.js';
import { noMemory } from '../../test/support/issuer-requests.js';
import { networkContext, requestFor, type SigningCa, startSigningCa } from '../../test/support/signing-ca.js';
import { djangoCa } from './django-ca.issuer.js';

let ca: SigningCa;
let fake: FakeDjangoCa;
beforeAll(() => {
  ca = startSigningCa();
});
afterAll(() => ca.close());
beforeEach(async () => {
  fake = await startDjangoCa(ca);
});
afterEach(() => fake.stop());

const bench: IssuerBench<typeof djangoCa.options> = {
  plugin: djangoCa,
  options: (changed) => djangoCa.options.parse({ url: `${fake.url}/django_ca`, ...djangoAccount, ...changed }),
  standIn: () => fake,
  ca: () => ca,
  names: ['www.example.com', 'alice@example.com'],
  submits: /^POST .*\/sign\/$/,
  reads: /^GET .*\/orders\//,
  ordered: () => fake.orders.size,
  findsIssuedOnly: true,
  settle: () => fake.settle(),
  wrong: { password: 'Wrong-Passwort-1' },
  secrets: [djangoAccount.password],
};
const { options } = bench;

describeFaults(bench);

describe('django-ca', () => {
  it('sends names and usages of the request, as the CSR counts for nothing but its key', async () => {
    const { order } = await requestFor(bench.names, { ca });
    const terms = { ...order.request.terms, extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'] };
    await djangoCa.order({ ...order, request: { ...order.request, terms } }, options(), networkContext());
    expect(fake.asked[0]).toMatchObject({
      profile: 'webserver',
      subject: [{ oid: '2.5.4.3', value: 'www.example.com' }],
      not_after: terms.notAfter.toISOString(),
      extensions: [
        {
          type: 'subject_alternative_name',
          value: [
            { type: 'DNS', value: 'www.example.com' },
            { type: 'email', value: 'alice@example.com' },
          ],
        },
        { type: 'key_usage', critical: true, value: ['digital_signature'] },
        { type: 'extended_key_usage', value: ['1.3.6.1.5.5.7.3.1'] },
      ],
    });
  });

  it('names its profiles, part after part', async () => {
    expect(await djangoCa.profiles?.list({ count: 1 }, options(), networkContext())).toEqual({
      items: [{ id: 'webserver', name: 'webserver', description: 'A certificate for a webserver.' }],
      total: 2,
      next: '1',
    });
    expect(await djangoCa.profiles?.list({ count: 1, after: '1' }, options(), networkContext())).toEqual({
      items: [{ id: 'ocsp', name: 'ocsp' }],
      total: 2,
    });
  });

  it('reads and changes the settings of its CA, each by itself', async () => {
    const before = await djangoCa.settings?.get(options(), networkContext());
    expect(before).toMatchObject({ name: 'child', website: '', sign_crl_distribution_points: null });
    expect(djangoCa.settings?.changes.parse(before)).toEqual(before);
    const points = { type: 'crl_distribution_points', critical: false, value: [{ full_name: [] }] };
    const changed = { website: 'https://ca.example.com', sign_crl_distribution_points: points };
    await djangoCa.settings?.update({ changes: changed }, options(), networkContext());
    expect(await djangoCa.settings?.get(options(), networkContext())).toEqual({ ...before, ...changed });
    await djangoCa.settings?.update({ changes: { sign_crl_distribution_points: null } }, options(), networkContext());
    expect(await djangoCa.settings?.get(options(), networkContext())).toEqual({ ...before, website: changed.website });
  });

  it.each([
    ['an unknown setting', { enabled: false }],
    ['no URL', { website: 'ca.example.com' }],
    ['null for a text', { caa_identity: null }],
    ['an extension of another type', { sign_certificate_policies: { type: 'key_usage', critical: true, value: [] } }],
    ['a response validity below ten minutes', { ocsp_response_validity: 599 }],
  ])('takes %s for no setting', (_, given) => {
    expect(djangoCa.settings?.changes.safeParse(given).success).toBe(false);
  });

  it('says in the words of django-ca why a setting is refused', async () => {
    const error = await failureOf(
      djangoCa.settings?.update({ changes: { website: 'ftp://x' } }, options(), networkContext()) ?? Promise.resolve(),
    );
    expect([error.fault, error.detail]).toEqual(['refused', expect.stringContaining('Enter a valid URL.')]);
  });

  it('refuses an extension that django-ca is not asked for', async () => {
    const { order } = await requestFor(bench.names, { ca });
    const extensions = [{ oid: '1.2.3', critical: false, valueDer: Buffer.from('0500', 'hex') }];
    const request = { ...order.request, terms: { ...order.request.terms, extensions } };
    const error = await failureOf(djangoCa.order({ ...order, request }, options(), networkContext()));
    expect([error.fault, error.detail]).toEqual(['refused', expect.stringContaining('1.2.3')]);
  });

  it('awaits the certificate of an order whose answer was lost, and orders again when none comes', async () => {
    const { order, saved } = await requestFor(bench.names, { ca });
    fake.fail({ on: bench.submits, kind: 'lose' });
    expect((await failureOf(djangoCa.order(order, options(), networkContext()))).fault).toBe('unavailable');
    const after = { ...order, state: saved.at(-1) ?? '' };
    const find = (minutes: number) => {
      const now = () => new Date(Date.now() + minutes * 60_000);
      return djangoCa.find?.(after, options(), { ...networkContext(), now }) ?? Promise.reject(new Error());
    };
    expect((await failureOf(find(14))).fault).toBe('unavailable');
    expect(await find(16)).toBeNull();
    fake.settle();
    expect((await find(1))?.status).toBe('issued');
  });

  it('awaits no certificate when django-ca has answered that it took no order', async () => {
    const { order, saved } = await requestFor(bench.names, { ca });
    await failureOf(djangoCa.order(order, options(bench.wrong), networkContext()));
    const after = { ...order, state: saved.at(-1) ?? '' };
    expect(await djangoCa.find?.(after, options(), networkContext())).toBeNull();
  });

  it.each([
    ['that keeps key and names', {}, (): void => undefined, true],
    ['without the option', { resigns: false }, (): void => undefined, false],
    ['at a django-ca that cannot resign', {}, () => void (fake.generation = 'old'), false],
    ['of a certificate without a stored CSR', {}, () => fake.certificates.forEach((one) => (one.csr = '')), false],
    ['of a certificate that is gone', {}, () => fake.certificates.splice(0), false],
  ])('resigns for a renewal %s: %#', async (_, changed, prepare, isResigned) => {
    const { order } = await requestFor(bench.names, { ca });
    const renews = await issue(bench, order);
    prepare();
    const notAfter = new Date(order.request.terms.notAfter.getTime() + 30 * 86_400_000);
    const request = { ...order.request, terms: { ...order.request.terms, notAfter }, renews };
    const chosen = options({ resigns: true, ...changed });
    const outcome = await djangoCa.order({ ...order, request }, chosen, networkContext());
    fake.settle();
    const orderRef = outcome.status === 'pending' ? outcome.orderRef : '';
    const polled = await djangoCa.poll?.({ ...order, request, orderRef }, chosen, networkContext());
    expect(polled?.status === 'issued' && polled.externalId !== renews.externalId).toBe(true);
    expect(fake.asked).toHaveLength(isResigned ? 1 : 2);
  });

  it('does not resign for a request with another key or another name', async () => {
    const { order } = await requestFor(bench.names, { ca });
    const renews = await issue(bench, order);
    const other = await requestFor(bench.names, { ca });
    const names = await requestFor(['mail.example.com'], { ca });
    const { csrPem, spkiDer } = order.request;
    for (const request of [
      { ...other.order.request, renews },
      { ...names.order.request, csrPem, spkiDer, renews },
    ])
      await djangoCa.order({ ...order, request }, options({ resigns: true }), networkContext());
    expect(fake.asked).toHaveLength(3);
  });

  it('says that an order has failed', async () => {
    const { order } = await requestFor(bench.names, { ca });
    const outcome = await djangoCa.order(order, options(), networkContext());
    fake.fails = true;
    fake.settle();
    const orderRef = outcome.status === 'pending' ? outcome.orderRef : '';
    const polled = await djangoCa.poll?.({ ...order, orderRef }, options(), networkContext());
    expect(polled?.status).toBe('rejected');
  });

  it('does not take an older certificate of the same key for the answer', async () => {
    const { order } = await requestFor(bench.names, { ca });
    await issue(bench, order);
    const notAfter = new Date(order.request.terms.notAfter.getTime() + 3_600_000);
    const request = { ...order.request, terms: { ...order.request.terms, notAfter } };
    expect(await djangoCa.find?.({ ...order, request }, options(), networkContext())).toBeNull();
  });

  it.each(['new', 'old'] as const)('revokes once and again by the paths of the %s generation', async (generation) => {
    const { chainPem } = await issue(bench, (await requestFor(bench.names, { ca })).order);
    fake.generation = generation;
    const request = { ...noMemory, chainPem, reason: 4 };
    await djangoCa.revoke?.(request, options(), networkContext());
    await djangoCa.revoke?.(request, options(), networkContext());
    expect(fake.certificates[0]?.revokedReason).toBe('superseded');
    fake.certificates = [];
    expect((await failureOf(djangoCa.revoke?.(request, options(), networkContext()) ?? Promise.resolve())).fault).toBe(
      'refused',
    );
  });

  it('lists what the CA holds, by name and status', async () => {
    const { chainPem } = await issue(bench, (await requestFor(bench.names, { ca })).order);
    await issue(bench, (await requestFor(['mail.example.com'], { ca })).order);
    await djangoCa.revoke?.({ ...noMemory, chainPem, reason: 1 }, options(), networkContext());
    const locations = async (request: object): Promise<string[]> => {
      const found: string[] = [];
      for await (const one of djangoCa.list?.(request, options(), networkContext()) ?? []) found.push(one.location);
      return found;
    };
    const [first = '', second = ''] = fake.certificates.map(({ serial }) => serial);
    expect(new X509Certificate(chainPem[0] ?? '').serialNumber).toMatch(new RegExp(`^0?${first}$`));
    expect(await locations({})).toEqual([first, second]);
    expect(await locations({ status: 'revoked' })).toEqual([first]);
    expect(await locations({ commonName: 'MAIL' })).toEqual([second]);
    expect(await locations({ serialHex: second })).toEqual([second]);
    expect(await locations({ skip: 1 })).toEqual([second]);
  });

  it('names its CA and those above it, and changes nothing in a test of the connection', async () => {
    await djangoCa.check?.(options(), networkContext());
    expect(await djangoCa.describe?.(options(), networkContext())).toEqual({
      issuers: [{ chainPem: [ca.issuingPem, ca.rootPem] }],
    });
    expect(fake.seen.every((line) => line.startsWith('GET'))).toBe(true);
  });
});
