import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localCa } from '../../plugins/local-ca/local-ca.issuer.js';
import { plugins } from '../../plugins/index.js';
import { type AllowedDifferences, defineIssuer, type OrderRequest, type Outcome } from '../../src/plugin-api/issuer.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { openssl } from '../support/bundles.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs, opensslText } from '../support/requests.js';
import type { Json } from '../support/json.js';

const local = localCa.options.parse({});
const orders = new Map<string, OrderRequest>();
let isReady = false;

/** Issues what it likes: it adds a name, leaves one out, and has its own organization, usages and validity. */
const wilful = async (order: OrderRequest, ctx: PluginContext): Promise<Outcome> => {
  const { terms } = order.request;
  const [first, ...rest] = terms.subjectAltNames;
  const changed = {
    ...terms,
    subject: { ...terms.subject, organization: 'As the CA likes' },
    subjectAltNames: [...(first ? [first, { ...first, value: `www.${first.value}` }] : []), ...rest.slice(0, -1)],
    keyUsage: ['keyAgreement'] as const,
    extendedKeyUsage: ['1.3.6.1.5.5.7.3.2'],
    notAfter: new Date(terms.notAfter.getTime() - 10 * dayMs),
  };
  return localCa.order({ ...order, request: { ...order.request, terms: changed } }, local, ctx);
};

const issuerOf = (id: string, answers: 'at-once' | 'later', allows?: AllowedDifferences) =>
  defineIssuer({
    id,
    title: id,
    description: 'Issues what it likes.',
    options: z.strictObject({}),
    answers,
    ...(allows && { allows }),
    createAuthority: (request, _, ctx) =>
      localCa.createAuthority?.(request, local, ctx) ?? Promise.reject(new Error('The local CA makes authorities.')),
    revoke: () => Promise.resolve(),
    async order(order, _, ctx) {
      if (id !== 'wilful-polled') return wilful(order, ctx);
      orders.set(order.request.idempotencyKey, order);
      return { status: 'pending', orderRef: order.request.idempotencyKey, pollAfterS: 1 };
    },
    async poll({ orderRef }, _, ctx) {
      const order = orders.get(orderRef);
      return order && isReady ? wilful(order, ctx) : { status: 'pending', orderRef, pollAfterS: 1 };
    },
  });
const all = { extraNames: true, fewerNames: true };
const issuers = [
  issuerOf('wilful-at-once', 'at-once', all),
  issuerOf('wilful-now', 'later', all),
  issuerOf('wilful-polled', 'later', all),
  issuerOf('wilful-disputed', 'later'),
];

let program: TestProgram;
beforeAll(async () => {
  program = await startProgram({}, { plugins: [...plugins, ...issuers] });
  for (const { id } of issuers)
    await program.ok('POST', '/authorities', {
      name: id,
      owner: 'pki@example.com',
      commonName: `CA ${id}`,
      plugin: { id, options: {} },
    });
});
afterAll(() => program.stop());

const request = async (authority: string): Promise<Json> => {
  const host = `h${randomUUID().slice(0, 8)}.example.com`;
  const { body } = await program.call('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: host,
    organization: 'As asked',
    authority: { name: authority },
    validityDays: 90,
    extensions: { subAltNames: { names: [{ nameType: 'DNSName', value: `left-out.${host}` }] } },
  });
  return { ...body, host };
};
const issued = (id: number): Promise<Json> =>
  eventually(async () => {
    const certificate = await program.ok('GET', `/certificates/${id}`);
    return certificate.lifecycle === 'issued' && certificate;
  });
const answerTo = async (id: number): Promise<readonly string[]> => {
  const [{ key }] = await program.database.source.query('select secret_id as key from certificate where id = $1', [id]);
  const order = await eventually(async () => orders.get(key));
  const context = { signal: new AbortController().signal, now: () => program.clock.now(), log: () => undefined };
  const outcome = await wilful(order, context as unknown as PluginContext);
  return outcome.status === 'issued' ? outcome.chainPem : [];
};
const hand = async (id: number, [body, ...chain]: readonly string[]): Promise<unknown> =>
  program.ok('POST', `/pending_certificates/${id}/upload`, { body, chain: chain.join('') });

const ways: [string, () => Promise<Json>][] = [
  ['by an issuer that answers at once', () => request('wilful-at-once')],
  ['in the answer to the order', () => request('wilful-now')],
  [
    'in the answer to a poll',
    async () => {
      const asked = await request('wilful-polled');
      isReady = true;
      program.clock.advance(60_000);
      await issued(asked.id);
      isReady = false;
      return asked;
    },
  ],
  [
    'in an upload by a person',
    async () => {
      const asked = await request('wilful-polled');
      await hand(asked.id, await answerTo(asked.id));
      return asked;
    },
  ],
  [
    'in an answer that was uploaded as another certificate before',
    async () => {
      const asked = await request('wilful-polled');
      const chain = await answerTo(asked.id);
      const copy = { owner: 'amy@example.com', body: chain[0], chain: chain.slice(1).join('') };
      await program.ok('POST', '/certificates/upload', copy);
      await hand(asked.id, chain);
      return asked;
    },
  ],
  [
    'in an answer in dispute that was accepted',
    async () => {
      const asked = await request('wilful-disputed');
      await eventually(async () => (await program.ok('GET', `/certificates/${asked.id}`)).order?.disputed);
      await program.ok('POST', `/pending_certificates/${asked.id}/accept`);
      return asked;
    },
  ],
  [
    'in a renewal',
    async () => {
      const old = await request('wilful-now');
      await issued(old.id);
      const { id } = await program.ok('POST', `/certificates/${old.id}/reissue`, {});
      return { id, host: old.host };
    },
  ],
];

const idsFoundBy = async (name: string): Promise<number[]> =>
  (await program.ok('GET', `/certificates?filter=san;${name}&count=50`)).items.map(({ id }: Json) => id);

describe('a certificate that differs from the request', () => {
  it.each(ways)('and arrived %s is shown and found with its own contents', async (_, obtain) => {
    const { id, host } = await obtain();
    const shown = await issued(id);
    const text = opensslText(shown.body);
    expect(text).toMatch(`DNS:${host}, DNS:www.${host}\n`);
    expect(text).toContain('Key Agreement');
    expect(shown).toMatchObject({ commonName: host, organization: 'As the CA likes', san: true });
    expect(shown.distinguishedName).toContain('O=As the CA likes');
    expect(shown.extensions.subAltNames.names).toEqual([
      { nameType: 'DNSName', value: host },
      { nameType: 'DNSName', value: `www.${host}` },
    ]);
    expect(shown.extensions.keyUsage).toMatchObject({ useKeyAgreement: true, useDigitalSignature: false });
    expect(shown.extensions.extendedKeyUsage).toEqual({ useClientAuthentication: true });
    expect(shown.domains.map(({ name }: Json) => name).sort()).toEqual([host, `www.${host}`]);
    expect(Date.parse(shown.notAfter)).toBe(Date.parse(/Not After : (.*)/.exec(text)?.[1] ?? ''));
    expect(await idsFoundBy(`www.${host}`)).toContain(id);
    expect(await idsFoundBy(`left-out.${host}`)).not.toContain(id);
    const counted = 'select san_count as count from certificate where id = $1';
    expect(await program.database.source.query(counted, [id])).toEqual([{ count: 2 }]);
  });

  it('is renewed with the terms that were approved, not with those that the CA issued', async () => {
    const { id, host } = await request('wilful-now');
    await issued(id);
    const renewed = await issued((await program.ok('POST', `/certificates/${id}/reissue`, {})).id);
    const csr = openssl(['req', '-noout', '-text'], renewed.csr);
    expect(csr).toMatch(/O ?= ?As asked/);
    expect(csr).toMatch(`DNS:${host}, DNS:left-out.${host}\n`);
  });
});
