import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { enqueueOrders } from '../../src/certificates/issue/enqueue-orders.js';
import { type Fate, ScriptedCa } from '../fakes/scripted-ca.js';
import type { BehaviourName, Call } from '../fakes/scripted-ca.issuer.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs, opensslVerify } from '../support/requests.js';

const ca = new ScriptedCa();
const owner = 'pki@example.com';
const ids = new Map<string, number>();
let program: TestProgram;
let number = 0;

beforeAll(async () => {
  program = await startProgram({}, { plugins: [...plugins, ca.plugin] });
  // The periodic task counts as done for the next hour: only this file decides when the CA is asked for its issuers.
  await program.database.source.query(
    `insert into periodic_task (name, last_started_at) values ('authority-issuers', now()) on conflict do nothing`,
  );
});
afterAll(async () => {
  await program.stop();
  await ca.stop();
});
afterEach(() => {
  const behaviourFor = ({ behaviour }: Call): BehaviourName => behaviour;
  Object.assign(ca, { isReady: false, isDown: false, refusal: null, fate: () => 'fine', behaviourFor });
});

/** Makes the authority of a CA, once. */
async function authorityOf(name: string, behaviour: BehaviourName): Promise<number> {
  const known = ids.get(name);
  if (known !== undefined) return known;
  const plugin = { id: 'scripted-ca', options: { ca: name, behaviour } };
  const { id } = await program.ok('POST', '/authorities', { name, owner, orderDeadlineDays: 5, plugin });
  ids.set(name, id);
  return id;
}
async function ask(behaviour: BehaviourName, more: { ca?: string; rotation?: boolean } = {}): Promise<Json> {
  const { ca: name = `CA ${behaviour}`, rotation = false } = more;
  await authorityOf(name, behaviour);
  const { body } = await program.call('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: `fault-${(number += 1)}.example.com`,
    authority: { name },
    validityDays: 90,
    rotation,
  });
  return body;
}
const get = (id: number): Promise<Json> => program.ok('GET', `/certificates/${id}`);
const until = (id: number, is: (certificate: Json) => boolean, timeoutMs?: number): Promise<Json> =>
  eventually(async () => {
    const certificate = await get(id);
    return is(certificate) && certificate;
  }, timeoutMs);
const inState = (id: number, state: string): Promise<Json> => until(id, ({ lifecycle }) => lifecycle === state);
const keyOf = async (id: number): Promise<string> =>
  (await program.database.source.query('select secret_id as key from certificate where id = $1', [id]))[0].key;
/** The first request of this kind has this fate. */
const once = (verb: Call['verb'], fate: Fate): ((asked: Call['verb']) => Fate) => {
  let isOver = false;
  return (asked) => {
    if (asked !== verb || isOver) return 'fine';
    isOver = true;
    return fate;
  };
};

describe('an answer that differs from the request is kept in dispute (8: cert-manager#8380)', () => {
  it.each<[BehaviourName, string]>([
    ['wrong-key', 'a key other than the requested one'],
    ['other-names', 'evil.example.com'],
    ['longer', 'later than requested'],
    ['no-chain', 'it came without its chain'],
    ['other-signature', 'signature'],
    ['shuffled-chain', 'is not signed by'],
    ['incomplete-chain', 'is not signed by'],
  ])('(%s), with the reason', async (behaviour, reason) => {
    const { id, lifecycle, order, body } = await ask(behaviour);
    expect([lifecycle, body]).toEqual(['pending', null]);
    expect(order).toMatchObject({ fault: 'disputed', waitsFor: 'decision', detail: expect.stringContaining(reason) });
    await program.ok('POST', `/pending_certificates/${id}/reject`);
    const { withdrawals } = await until(id, (one) => one.withdrawals[0]?.state === 'done');
    expect(withdrawals).toMatchObject([{ kind: 'revoke', serial: order.disputed.serial }]);
    const [{ hex }] = await program.database.source.query(
      'select serial_hex as hex from withdrawal where certificate_id = $1',
      [id],
    );
    expect(ca.revoked).toContain(hex);
  });

  it.each<[BehaviourName]>([['other-names'], ['no-chain'], ['shuffled-chain'], ['incomplete-chain']])(
    '(%s), and becomes the certificate with its chain in order when a user accepts it',
    async (behaviour) => {
      const { id, authority } = await ask(behaviour);
      await program.ok('POST', `/pending_certificates/${id}/accept`);
      const issued = await get(id);
      expect(issued).toMatchObject({ lifecycle: 'issued', withdrawals: [] });
      const { authorityCertificate } = await program.ok('GET', `/authorities/${authority.id}`);
      expect(opensslVerify(authorityCertificate.chain, issued)).toContain('OK');
    },
  );
});

describe('a CA that changes its issuing certificate between two orders', () => {
  it('issues the second certificate once the new issuing certificate is known', async () => {
    const name = 'Changing CA';
    const authority = await authorityOf(name, 'pending');
    ca.deliver();
    const first = await inState((await ask('pending', { ca: name })).id, 'issued');
    await ca.changeIssuer(name, 'Changed CA');
    const { id } = await ask('pending', { ca: name });
    await until(id, ({ order }) => order?.fault === 'disputed');
    (await ca.issuingOf(name)).told.push('Changed CA');
    await program.ok('POST', `/authorities/${authority}/issuers/refresh`);
    const second = await inState(id, 'issued');
    expect([first.issuer, second.issuer]).toEqual(['ChangingCA', 'ChangedCA']);
    const { authorityCertificate } = await program.ok('GET', `/authorities/${authority}`);
    for (const one of [first, second]) expect(opensslVerify(authorityCertificate.chain, one)).toContain('OK');
    await ca.changeIssuer(name, 'Told CA');
    (await ca.issuingOf(name)).told.push('Told CA');
    expect((await inState((await ask('pending', { ca: name })).id, 'issued')).issuer).toBe('ToldCA');
  });
});

describe('a CA that gives one order to two requests', () => {
  /** Two pending certificates with the order of the first. */
  const sharing = async (): Promise<[number, number, string]> => {
    const [{ id: first }, { id: second }] = [await ask('pending'), await ask('pending')];
    const [{ ref }] = await program.database.source.query('select order_ref as ref from certificate where id = $1', [
      first,
    ]);
    await program.database.source.query('update certificate set order_ref = $2 where id = $1', [second, ref]);
    return [first, second, ref];
  };

  it('is not asked to cancel the order of the other one', async () => {
    const [first, second, ref] = await sharing();
    await program.ok('DELETE', `/pending_certificates/${second}`);
    await until(second, ({ withdrawals }) => withdrawals[0]?.state === 'done');
    expect(ca.asked.cancel).not.toContain(ref);
    ca.deliver();
    await inState(first, 'issued');
    expect(await get(second)).toMatchObject({ lifecycle: 'cancelled', withdrawals: [{ kind: 'cancel' }] });
  });

  it('is not asked to revoke the certificate of the other one when its answer is rejected', async () => {
    const [first, second] = await sharing();
    ca.deliver();
    const { serial } = await inState(first, 'issued');
    const { order } = await until(second, (one) => one.order.fault === 'disputed');
    expect(order.disputed.serial).toBe(serial);
    await program.ok('POST', `/pending_certificates/${second}/reject`);
    expect(await get(second)).toMatchObject({ lifecycle: 'failed', withdrawals: [] });
  });
});

describe('a certificate is ordered once and issued once', () => {
  it.each<[Call['verb'], Fate, string]>([
    ['order', 'lost', 'the answer to the order is lost'],
    ['order', 'html', 'a web page comes in place of the answer to the order'],
    ['order', 'hangs', 'the answer to the order comes after the timeout'],
    ['order', 'busy', 'the CA answers 503 to the order'],
    ['poll', 'lost', 'the answer to a poll is lost'],
    ['poll', 'html', 'a web page comes in place of the certificate'],
    ['poll', 'hangs', 'the answer to a poll comes after the timeout'],
    ['poll', 'busy', 'the CA answers 503 to a poll'],
  ])('(%s, %s) when %s', async (verb, fate) => {
    await authorityOf('CA pending', 'pending');
    ca.deliver();
    ca.fate = once(verb, fate);
    const { id } = await ask('pending');
    await until(id, ({ order }) => order === null || order.attempts > 0 || order.fault === null);
    program.clock.advance(60_000);
    const { serialHex } = await inState(id, 'issued');
    const key = await keyOf(id);
    const orders = ca.orders.filter(({ request }) => request.idempotencyKey === key);
    expect(orders).toHaveLength(1);
    expect(await ca.answerTo(orders[0]?.ref ?? '')).toHaveLength(2);
    expect(ca.revoked).not.toContain(serialHex);
    expect((await get(id)).withdrawals).toEqual([]);
  });
});

describe('an order', () => {
  it('whose answer was lost is not placed again until the CA answers the search for it', async () => {
    await authorityOf('CA pending', 'pending');
    ca.fate = once('order', 'lost');
    const { id, ...asked } = await ask('pending');
    expect(asked).toMatchObject({ lifecycle: 'requested', order: { fault: 'unavailable', attempts: 1 } });
    ca.refusal = 'The directory is down.';
    await program.ok('PUT', `/pending_certificates/${id}/retry`);
    const doubted = await until(id, ({ order }) => order.fault === 'refused');
    expect(doubted).toMatchObject({ lifecycle: 'requested', order: { waitsFor: 'retry', detail: ca.refusal } });
    ca.refusal = null;
    ca.deliver();
    await program.ok('PUT', `/pending_certificates/${id}/retry`);
    await inState(id, 'issued');
    const key = await keyOf(id);
    expect(ca.orders.filter(({ request }) => request.idempotencyKey === key)).toHaveLength(1);
  });

  it('that its CA rejects after days fails with the reason, and no withdrawal is sent', async () => {
    const { id } = await ask('rejects-later');
    program.clock.advance(2 * dayMs);
    await eventually(async () => (await get(id)).order.answeredAt > new Date(Date.now() + dayMs).toISOString());
    expect((await get(id)).lifecycle).toBe('pending');
    ca.deliver();
    program.clock.advance(60_000);
    expect(await inState(id, 'failed')).toMatchObject({
      order: { fault: 'refused', detail: 'The agent said no.' },
      withdrawals: [],
    });
  });

  it('for a renewal is placed within a quarter of an hour after a CA is up again (21: cert-manager#3941)', async () => {
    ca.deliver();
    const renewed = await Promise.all([1, 2, 3].map(() => ask('pending', { rotation: true })));
    for (const { id } of renewed) await inState(id, 'issued');
    ca.isDown = true;
    program.clock.advance(61 * dayMs);
    const successors = await Promise.all(
      renewed.map(async ({ id }) => (await until(id, ({ replacedBy }) => replacedBy.length === 1)).replacedBy[0].id),
    );
    // Three days later, past many attempts.
    for (let hours = 0; hours < 72; hours += 12) {
      const attempts = await Promise.all(successors.map(async (id) => (await get(id)).order.attempts));
      program.clock.advance(dayMs / 2);
      for (const [i, id] of successors.entries()) await until(id, ({ order }) => order.attempts > (attempts[i] ?? 0));
    }
    await program.database.source.query('update certificate set attempts = 12 where id = any($1)', [successors]);
    program.clock.advance(dayMs / 2);
    for (const id of successors) await until(id, ({ order }) => order.attempts > 12);
    // Answers have whole seconds, of which two of the three may well wait the same number.
    const waits: { ms: number }[] = await program.database.source.query(
      `select extract(epoch from next_attempt_at - answered_at)::float8 * 1000 as ms from certificate
       where id = any($1)`,
      [successors],
    );
    for (const { ms } of waits) expect(ms).toBeLessThanOrEqual(18 * 60_000 + 1_000);
    expect(new Set(waits.map(({ ms }) => ms)).size).toBe(successors.length);
    ca.isDown = false;
    program.clock.advance(18 * 60_000);
    for (const { id } of renewed) await inState(id, 'superseded');
  });
});

describe('an answer that has expired', () => {
  it('ends the order with the reason, and is not stored', async () => {
    const failed = await inState((await ask('expired')).id, 'failed');
    expect(failed).toMatchObject({ body: null, serial: null, withdrawals: [] });
    expect(failed.order.detail).toMatch(/^The issuer returned certificate \d+, which expired at /);
  });

  it('to a renewal leaves the old certificate in use, and the renewal is ordered again', async () => {
    ca.deliver();
    const old = await inState((await ask('pending', { rotation: true })).id, 'issued');
    ca.behaviourFor = () => 'expired';
    program.clock.advance(61 * dayMs);
    const { renewal } = await until(old.id, (one) => one.renewal.attempts > 0);
    expect(renewal).toMatchObject({ fault: 'refused', detail: expect.stringContaining('expired at') });
    expect((await get(old.id)).lifecycle).toBe('issued');
    ca.behaviourFor = ({ behaviour }) => behaviour;
    program.clock.advance(dayMs / 24);
    await inState(old.id, 'superseded');
  });
});

describe('a CA that does not answer a thousand orders', () => {
  it('delays neither other CAs nor requests', async () => {
    const held = ca.hold('order', 'Hanging CA');
    ca.deliver();
    const { id } = await ask('pending', { ca: 'Hanging CA' });
    await eventually(() => Promise.resolve(held.begun()));
    await program.database.source.query(
      `insert into certificate (name, state, owner, authority_id, common_name, distinguished_name, csr_der, secret_id,
         issuer, spki_sha256, key_type, bits, not_before, not_after, san_count, terms, notify, rotation,
         rotation_policy_id, next_attempt_at, created_at)
       select 'hanging-' || n, state, owner, authority_id, common_name, distinguished_name, csr_der, gen_random_uuid(),
         issuer, spki_sha256, key_type, bits, not_before, not_after, san_count, terms, notify, rotation,
         rotation_policy_id, next_attempt_at, created_at from certificate, generate_series(1, 1000) as n where id = $1`,
      [id],
    );
    await program.database.source.query(
      `insert into certificate_order (certificate_id, secret_id, deadline_at)
       select id, gen_random_uuid(), now() + interval '1000 days' from certificate where name like 'hanging-%'`,
    );
    const waiting: { id: number; authorityId: number }[] = await program.database.source.query(
      `select id, authority_id as "authorityId" from certificate where name like 'hanging-%'`,
    );
    await program.database.db.write((tx) => enqueueOrders(tx, waiting));
    const asked = ca.asked.order.length;
    await eventually(() => Promise.resolve(ca.asked.order.length > asked));
    await inState((await ask('pending', { ca: 'Free CA' })).id, 'issued');
    const hanging = await program.database.source.query(
      `select count(*)::int as count from certificate where name like 'hanging-%' and state <> 'requested'`,
    );
    expect(hanging).toEqual([{ count: 0 }]);
    await program.database.source.query(
      `update outbox set state = 'done', finished_at = now() where job = 'certificate.issue' and state = 'due'
       and (data->>'certificateId')::int = any($1)`,
      [waiting.map((one) => one.id)],
    );
    await program.database.source.query(
      `update certificate set next_attempt_at = null, state = 'cancelled' where name like 'hanging-%'`,
    );
    held.release();
  });
});
