import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { openssl } from '../support/bundles.js';
import { type Answer, eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs, opensslText } from '../support/requests.js';
import type { Json } from '../support/json.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';

const issuer = new ScriptedCa();
let program: TestProgram;

const behaviours = [
  'pending',
  'lost',
  'stateful',
  'never',
  'firm',
  'keeps',
  'refuses',
  'rejects-later',
  'other-names',
  'wrong-key',
  'no-chain',
] as const;
type Behaviour = (typeof behaviours)[number];

beforeAll(async () => {
  program = await startProgram({}, { plugins: [...plugins, issuer.plugin] });
  for (const behaviour of behaviours)
    await program.ok('POST', '/authorities', {
      name: behaviour,
      owner: 'pki@example.com',
      orderDeadlineDays: 3,
      plugin: { id: 'scripted-ca', options: { ca: `Slow ${behaviour}`, behaviour } },
    });
});
// Each test stands alone: it says what the CA does.
beforeEach(() => {
  Object.assign(issuer, { isReady: false, isDown: false, refusal: null, renewalInfo: null, fate: () => 'fine' });
});
afterAll(() => program.stop());

const ask = (authority: Behaviour, commonName: string, more: object = {}): Promise<Answer> =>
  program.call('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName,
    authority: { name: authority },
    validityDays: 90,
    ...more,
  });
const get = (id: number): Promise<Json> => program.ok('GET', `/pending_certificates/${id}`);
const until = (id: number, is: (certificate: Json) => boolean): Promise<Json> =>
  eventually(async () => {
    const certificate = await get(id);
    return is(certificate) && certificate;
  });
const inState = (id: number, state: string): Promise<Json> => until(id, ({ lifecycle }) => lifecycle === state);
const withdrawn = (id: number, kind: string): Promise<Json> =>
  until(id, ({ withdrawals }) => withdrawals.some((one: Json) => one.kind === kind && one.state === 'done'));
const actions = async (id: number): Promise<string[]> =>
  (await program.ok('GET', `/logs?filter=targetId;${id}&count=50`)).items.map((one: Json) => one.logType);
const mailTo = (subject: string): Promise<Json> =>
  eventually(async () =>
    (await program.ok('GET', '/mails?count=100')).items.find((one: Json) => one.subject.startsWith(subject)),
  );
const refOf = async (id: number): Promise<string> =>
  (await program.database.source.query('select order_ref as ref from certificate where id = $1', [id]))[0].ref;
/** The request for this host, once a poll of its order has reached the CA. */
const polled = (host: string): Promise<{ id: number; ref: string }> =>
  eventually(async () => {
    const [one] = (await program.ok('GET', `/pending_certificates?filter=cn;${host}`)).items;
    const ref = one && (await refOf(one.id));
    return issuer.asked.poll.includes(ref) && { id: one.id, ref };
  });
/** Of what an issuer returned with text around it. */
const pemOf = (text: string): string => text.slice(text.indexOf('-----BEGIN'));
/** Takes the plugin of an authority away, as an installation without it does. */
const setPlugin = (authority: Behaviour, pluginId: string): Promise<unknown> =>
  program.database.source.query('update authority set plugin_id = $2, version = version + 1 where name = $1', [
    authority,
    pluginId,
  ]);

describe('an order', () => {
  it('shows what its CA waits for, and its deadline', async () => {
    const { body } = await ask('never', 'shown.example.com');
    expect(await get(body.id)).toMatchObject({
      lifecycle: 'pending',
      order: { progress: 'A person looks at it.', deadlineAt: expect.any(String), disputed: null },
      withdrawals: [],
    });
    const { order } = await get(body.id);
    const days = (Date.parse(order.deadlineAt) - program.clock.now().getTime()) / dayMs;
    expect(Math.round(days)).toBe(3);
  });

  it('whose answer was lost is found again at the CA, and not placed twice', async () => {
    const { body } = await ask('lost', 'lost.example.com');
    expect(body.order).toMatchObject({ fault: 'unavailable', detail: 'The answer was lost.' });
    program.clock.advance(60_000);
    const { name } = await inState(body.id, 'pending');
    const [{ key }] = await program.database.source.query('select secret_id as key from certificate where name = $1', [
      name,
    ]);
    expect(issuer.asked.order.filter((one) => one === key)).toHaveLength(1);
    expect(issuer.asked.find).toContain(key);
  });

  it('gives the issuer the state that it saved before a failure, and the state is sealed in the database', async () => {
    const { body } = await ask('stateful', 'stateful.example.com');
    const [row] = await program.database.source.query(
      `select sealed_state as bytes, c.secret_id as key
       from certificate_order join certificate c on c.id = certificate_id where c.id = $1`,
      [body.id],
    );
    expect(row.bytes.toString('latin1')).not.toContain('nonce of');
    program.clock.advance(60_000);
    expect((await inState(body.id, 'issued')).externalId).toBe(`nonce of ${row.key}`);
    const [{ left }] = await program.database.source.query(
      'select sealed_state as left from certificate_order where certificate_id = $1',
      [body.id],
    );
    expect(left).toBeNull();
  });

  it('that the CA rejects later fails, and its owner is told', async () => {
    const { status, body } = await ask('rejects-later', 'no.example.com');
    expect(status).toBe(202);
    issuer.deliver();
    await program.ok('PUT', `/pending_certificates/${body.id}/retry`);
    await inState(body.id, 'failed');
    const { to, text } = await mailTo('no.example.com: the issuer did not issue it');
    expect([to, text]).toEqual([['joe@example.com'], expect.stringContaining('The agent said no.')]);
    const told = (await program.ok('GET', `/notices?certificateId=${body.id}`)).items.map(({ event }: Json) => event);
    expect(told).toEqual(['order.failed']);
  });

  it('that is not fulfilled by its deadline fails, is cancelled at the CA, and its owner is told', async () => {
    const { body } = await ask('never', 'overdue.example.com');
    program.clock.advance(3 * dayMs + 60_000);
    const failed = await inState(body.id, 'failed');
    expect(failed.order).toMatchObject({
      fault: 'overdue',
      detail: expect.stringContaining('was not fulfilled until'),
    });
    const { withdrawals } = await withdrawn(body.id, 'cancel');
    expect(withdrawals).toMatchObject([{ kind: 'cancel', state: 'done', doneAt: expect.any(String) }]);
    expect(issuer.asked.cancel).toHaveLength(new Set(issuer.asked.cancel).size);
    expect((await mailTo('overdue.example.com: the issuer did not deliver')).to).toEqual(['joe@example.com']);
    expect(await actions(body.id)).toEqual(
      expect.arrayContaining(['certificate.ordered', 'certificate.failed', 'certificate.order-closed']),
    );
  });
});

describe('a request that a user cancels', () => {
  it('is cancelled at once although its CA is down, and at the CA when it is up again', async () => {
    const { body } = await ask('never', 'cancelled.example.com');
    issuer.isDown = true;
    expect((await program.call('DELETE', `/pending_certificates/${body.id}`)).status).toBe(204);
    const waiting = await until(body.id, ({ withdrawals }) => withdrawals[0]?.attempts > 0);
    expect(waiting).toMatchObject({
      lifecycle: 'cancelled',
      withdrawals: [{ kind: 'cancel', state: 'due', fault: 'unavailable', nextAttemptAt: expect.any(String) }],
    });
    issuer.isDown = false;
    program.clock.advance(120_000);
    await withdrawn(body.id, 'cancel');
  });

  it('is cancelled although the plugin of its CA is not installed', async () => {
    const { body } = await ask('never', 'gone.example.com');
    await setPlugin('never', 'gone-issuer');
    expect((await program.call('DELETE', `/pending_certificates/${body.id}`)).status).toBe(204);
    const { withdrawals } = await until(body.id, (one) => one.withdrawals[0]?.attempts > 0);
    expect(withdrawals).toMatchObject([{ state: 'due', fault: 'misconfigured' }]);
    await setPlugin('never', 'scripted-ca');
    program.clock.advance(120_000);
    await withdrawn(body.id, 'cancel');
  });

  it('has its certificate revoked when the CA issues it nevertheless', async () => {
    const { body } = await ask('firm', 'late.example.com');
    expect((await program.call('DELETE', `/pending_certificates/${body.id}`)).status).toBe(204);
    issuer.deliver();
    const { withdrawals, lifecycle, body: issued } = await withdrawn(body.id, 'revoke');
    expect([lifecycle, issued]).toEqual(['cancelled', null]);
    expect(withdrawals).toMatchObject([
      { kind: 'cancel', state: 'done' },
      { kind: 'revoke', state: 'done', serial: expect.stringMatching(/^\d+$/) },
    ]);
  });

  it('has its certificate revoked also when the answer to its order was lost', async () => {
    issuer.fate = (verb) => (verb === 'order' ? 'lost' : 'fine');
    const { body } = await ask('firm', 'unheard.example.com');
    expect(await refOf(body.id)).toBeNull();
    expect((await program.call('DELETE', `/pending_certificates/${body.id}`)).status).toBe(204);
    issuer.deliver();
    const { withdrawals, lifecycle } = await withdrawn(body.id, 'revoke');
    expect(lifecycle).toBe('cancelled');
    expect(withdrawals).toMatchObject([{ kind: 'cancel', state: 'done' }, { kind: 'revoke' }]);
  });

  it('has its certificate revoked when a running attempt receives it', async () => {
    issuer.deliver();
    const held = issuer.hold('poll', 'Slow pending');
    const asking = ask('pending', 'race.example.com');
    const { id } = await polled('race.example.com');
    expect((await program.call('DELETE', `/pending_certificates/${id}`)).status).toBe(204);
    held.release();
    await asking;
    await withdrawn(id, 'revoke');
    expect(await actions(id)).toContain('certificate.answer-unwanted');
    expect((await get(id)).lifecycle).toBe('cancelled');
  });
});

describe('the certificate of an order', () => {
  it('is revoked at the CA when another one was uploaded for the order during the poll', async () => {
    issuer.deliver();
    const held = issuer.hold('poll', 'Slow pending');
    const asking = ask('pending', 'double.example.com');
    const { id, ref } = await polled('double.example.com');
    const [leaf = '', ...chain] = await issuer.anotherFor(ref);
    await program.ok('POST', `/pending_certificates/${id}/upload`, { body: leaf, chain: chain.join('') });
    held.release();
    await asking;
    const { serial, withdrawals } = await withdrawn(id, 'revoke');
    expect(withdrawals.map((one: Json) => one.serial)).not.toContain(serial);
    expect((await get(id)).lifecycle).toBe('issued');
  });

  it('completes the order although somebody uploaded it before the issuer delivered it', async () => {
    issuer.deliver();
    const held = issuer.hold('poll', 'Slow pending');
    const asking = ask('pending', 'uploaded.example.com');
    const { id, ref } = await polled('uploaded.example.com');
    const [leaf = '', ...chain] = await issuer.answerTo(ref);
    const copy = await program.ok('POST', '/certificates/upload', {
      owner: 'amy@example.com',
      body: leaf,
      chain: chain.join(''),
    });
    // Of three paused runs: one waits for the copy alone, one for both rows, one has failed at the order.
    const { source } = program.database;
    const runs: number[] = [];
    for (const rows of [
      [[copy.id, 'waiting']],
      [
        [copy.id, 'waiting'],
        [id, 'waiting'],
      ],
      [
        [copy.id, 'waiting'],
        [id, 'failed'],
      ],
    ]) {
      const [run] = await source.query(`insert into certificate_run
        (kind, creator_id, actor_id, state, wishes, per_hour, next_at, created_at)
        select 'revocation', id, id, 'paused', '{"crlReason":"superseded","invalidityDate":null}', 60, now(), now()
        from app_user where username = 'admin' returning id`);
      runs.push(run.id);
      for (const row of rows)
        await source.query('insert into certificate_run_item (run_id, certificate_id, state) values ($1, $2, $3)', [
          run.id,
          ...row,
        ]);
    }
    const answer = { body: leaf, chain: chain.join('') };
    expect(await program.ok('POST', `/pending_certificates/${id}/upload`, answer)).toMatchObject({
      lifecycle: 'issued',
      serial: copy.serial,
    });
    held.release();
    await asking;
    expect((await program.call('GET', `/certificates/${copy.id}`)).status).toBe(404);
    expect(await program.ok('GET', `/certificates/${id}`)).toMatchObject({
      owner: 'joe@example.com',
      lifecycle: 'issued',
    });
    expect(await actions(id)).toContain('certificate.merged');
    for (const run of runs) {
      const { items } = await program.ok('GET', `/revocations/${run}/certificates`);
      expect(items.map(({ certificateId, state }: Json) => [certificateId, state])).toEqual([[id, 'waiting']]);
    }
  });

  it('keeps the certificate that is renewed when the issuer answers with this one', async () => {
    const { body } = await ask('pending', 'renewed.example.com');
    const [leaf = '', ...chain] = await issuer.answerTo(await refOf(body.id));
    const answer = { body: leaf, chain: chain.join('') };
    const old = await program.ok('POST', '/certificates/upload', { owner: 'amy@example.com', ...answer });
    await program.database.source.query('update certificate set renews_id = $2 where id = $1', [body.id, old.id]);
    const refused = await program.call('POST', `/pending_certificates/${body.id}/upload`, answer);
    expect([refused.status < 500, refused.body.detail]).toEqual([true, expect.stringContaining('to renew')]);
    expect(await program.ok('GET', `/certificates/${old.id}`)).toMatchObject({ owner: 'amy@example.com' });
  });
});

describe('an upload of the certificate of an order', () => {
  const uploaded = async (host: string, another: boolean): Promise<{ id: number; leaf: string; ref: string }> => {
    const { body } = await ask('pending', host);
    const ref = await refOf(body.id);
    const [leaf = '', ...chain] = await (another ? issuer.anotherFor(ref) : issuer.answerTo(ref));
    await program.ok('POST', `/pending_certificates/${body.id}/upload`, { body: leaf, chain: chain.join('') });
    return { id: body.id, leaf, ref };
  };

  it('completes it: the CA, which issues it later, gets no cancellation and no revocation', async () => {
    const { id, leaf, ref } = await uploaded('joined.example.com', false);
    expect(await get(id)).toMatchObject({ lifecycle: 'issued', withdrawals: [{ kind: 'close', state: 'due' }] });
    const polls = issuer.asked.poll.length;
    program.clock.advance(5_000);
    await eventually(async () => issuer.asked.poll.length > polls);
    issuer.deliver();
    program.clock.advance(120_000);
    expect(await withdrawn(id, 'close')).toMatchObject({ lifecycle: 'issued', withdrawals: [{ kind: 'close' }] });
    expect(issuer.asked.cancel).not.toContain(ref);
    expect(issuer.asked.revoke).not.toContain(leaf);
    expect(await actions(id)).toContain('certificate.order-closed');
  });

  it('cancels no order when a running poll answers "pending"', async () => {
    const held = issuer.hold('poll', 'Slow pending');
    const asking = ask('pending', 'joined-late.example.com');
    const { id, ref } = await polled('joined-late.example.com');
    const [leaf = '', ...chain] = await issuer.answerTo(ref);
    await program.ok('POST', `/pending_certificates/${id}/upload`, { body: leaf, chain: chain.join('') });
    held.release();
    await asking;
    issuer.deliver();
    program.clock.advance(120_000);
    expect(await withdrawn(id, 'close')).toMatchObject({ withdrawals: [{ kind: 'close', state: 'done' }] });
    expect(issuer.asked.cancel).not.toContain(ref);
  });

  it('has another certificate revoked that the CA issues for the order later', async () => {
    const { id, leaf, ref } = await uploaded('apart.example.com', true);
    issuer.deliver();
    program.clock.advance(120_000);
    await withdrawn(id, 'revoke');
    const [late = ''] = await issuer.answerTo(ref);
    expect([issuer.asked.revoke.includes(pemOf(late)), issuer.asked.revoke.includes(pemOf(leaf))]).toEqual([
      true,
      false,
    ]);
    expect((await get(id)).lifecycle).toBe('issued');
  });

  it('has the order cancelled at the deadline when the CA still works on it', async () => {
    const { id, ref } = await uploaded('open.example.com', true);
    program.clock.advance(3 * dayMs + 60_000);
    await withdrawn(id, 'close');
    expect(issuer.asked.cancel).toContain(ref);
  });
});

describe('an order that its CA does not know for a while', () => {
  it('is polled again, and issued when the CA knows it again', async () => {
    const { body } = await ask('pending', 'forgotten.example.com');
    issuer.refusal = 'There is no such request.';
    for (let attempts = 0; attempts < 4; attempts += 1) {
      program.clock.advance(300_000);
      await until(body.id, ({ order }) => order.attempts > attempts);
    }
    expect(await get(body.id)).toMatchObject({
      lifecycle: 'pending',
      order: { fault: 'refused', detail: 'There is no such request.', nextAttemptAt: expect.any(String) },
    });
    issuer.refusal = null;
    issuer.deliver();
    program.clock.advance(3_600_000);
    await inState(body.id, 'issued');
  });

  it('fails when the CA has not known it for six hours, and is cancelled if the CA knows it later', async () => {
    const { body } = await ask('pending', 'dead.example.com');
    issuer.refusal = 'There is no such request.';
    for (let hours = 0; hours < 5; hours += 1) {
      const { order } = await get(body.id);
      program.clock.advance(3_600_000);
      await until(body.id, (one) => one.order.attempts > order.attempts);
    }
    expect((await get(body.id)).lifecycle).toBe('pending');
    program.clock.advance(2 * 3_600_000);
    expect((await inState(body.id, 'failed')).order).toMatchObject({ fault: 'refused' });
    expect((await mailTo('dead.example.com: the issuer did not issue it')).to).toEqual(['joe@example.com']);
    issuer.refusal = null;
    issuer.deliver();
    await withdrawn(body.id, 'cancel');
  });
});

describe('a revocation', () => {
  it('is recorded and shown while the CA is down, and sent to the CA when it is up again', async () => {
    issuer.deliver();
    const { body } = await ask('pending', 'revoked.example.com');
    await inState(body.id, 'issued');
    issuer.isDown = true;
    expect((await program.call('PUT', `/certificates/${body.id}/revoke`, { crlReason: 'keyCompromise' })).status).toBe(
      200,
    );
    const { lifecycle, withdrawals, body: pem } = await until(body.id, (one) => one.withdrawals[0]?.attempts > 0);
    expect(lifecycle).toBe('revoked');
    expect(withdrawals).toMatchObject([{ kind: 'revoke', state: 'due', detail: 'The CA is down.' }]);
    expect(issuer.asked.revoke).not.toContain(pem);
    issuer.isDown = false;
    program.clock.advance(120_000);
    await withdrawn(body.id, 'revoke');
    expect(issuer.asked.revoke.filter((one) => one === pem)).toHaveLength(1);
    expect(await actions(body.id)).toContain('certificate.revoked-at-ca');
  });
});

describe('a revocation that is not retried any more', () => {
  const revoked = async (behaviour: Behaviour, host: string, isDown = false): Promise<number> => {
    issuer.deliver();
    const { body } = await ask(behaviour, host);
    await inState(body.id, 'issued');
    issuer.isDown = isDown;
    await program.ok('PUT', `/certificates/${body.id}/revoke`, { crlReason: 'superseded' });
    return body.id;
  };
  const isTold = async (id: number, host: string, reason: string): Promise<void> => {
    const { withdrawals } = await until(id, (one) => one.withdrawals[0]?.state === 'given-up');
    expect(withdrawals).toMatchObject([{ kind: 'revoke', detail: reason, nextAttemptAt: null, doneAt: null }]);
    const mail = await mailTo(`${host}: the CA did not revoke it`);
    expect([mail.to, mail.text]).toEqual([['joe@example.com'], expect.stringContaining(reason)]);
    expect(await actions(id)).toContain('certificate.withdrawal-given-up');
  };

  it('because the CA refused it is shown, and its owner is told', async () => {
    const id = await revoked('keeps', 'refused.example.com');
    await isTold(id, 'refused.example.com', 'The serial number is unknown.');
  });

  it('because the certificate expired while the CA was down is shown, and its owner is told', async () => {
    const id = await revoked('pending', 'down.example.com', true);
    await until(id, (one) => one.withdrawals[0]?.attempts > 0);
    await program.database.source.query('update withdrawal set give_up_at = created_at where certificate_id = $1', [
      id,
    ]);
    program.clock.advance(120_000);
    await isTold(id, 'down.example.com', 'The CA is down.');
  });
});

describe('an answer in dispute', () => {
  it('is reported to the owner once, and becomes the certificate with its own names when it is accepted', async () => {
    const { body } = await ask('other-names', 'asked.example.com');
    expect(body.order.disputed).toMatchObject({ reason: expect.stringContaining('evil.example.com') });
    const mail = await mailTo('asked.example.com: the answer of the issuer differs');
    expect([mail.to, mail.text]).toEqual([['joe@example.com'], expect.stringContaining('/accept')]);
    expect((await program.call('GET', `/certificates/${body.id}`)).body.body).toBeNull();
    await program.ok('POST', `/pending_certificates/${body.id}/accept`);
    const issued = await program.ok('GET', `/certificates/${body.id}`);
    expect(issued).toMatchObject({ lifecycle: 'issued', order: null, serial: body.order.disputed.serial });
    expect(issued.domains.map(({ name }: Json) => name)).toContain('evil.example.com');
    expect(opensslText(issued.body)).toContain('evil.example.com');
    expect(await actions(body.id)).toEqual(
      expect.arrayContaining(['certificate.answer-disputed', 'certificate.answer-accepted', 'certificate.issued']),
    );
    expect((await program.call('POST', `/pending_certificates/${body.id}/accept`)).status).toBe(409);
  });

  it('for another key cannot be accepted', async () => {
    const { body } = await ask('wrong-key', 'key.example.com');
    expect(await program.call('POST', `/pending_certificates/${body.id}/accept`)).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('another key') },
    });
  });

  it('is revoked at the CA when it is rejected, and the request fails', async () => {
    const { body } = await ask('other-names', 'rejected.example.com');
    await program.ok('POST', `/pending_certificates/${body.id}/reject`, { note: 'not ours' });
    const rejected = await withdrawn(body.id, 'revoke');
    const told = (await program.ok('GET', `/notices?certificateId=${body.id}`)).items.map(({ event }: Json) => event);
    expect(told).toEqual(['order.disputed']);
    expect(rejected).toMatchObject({
      lifecycle: 'failed',
      order: { fault: 'refused', detail: expect.stringContaining('rejected') },
      withdrawals: [{ kind: 'revoke', serial: body.order.disputed.serial }],
    });
    expect(await actions(body.id)).toContain('certificate.answer-rejected');
    expect((await program.call('POST', `/pending_certificates/${body.id}/reject`)).status).toBe(409);
  });

  it('is completed by an upload of the right certificate chain', async () => {
    const { body } = await ask('no-chain', 'chainless.example.com');
    const { authorityCertificate } = await program.ok('GET', `/authorities/${body.authority.id}`);
    const { chain } = body.order.disputed;
    await program.ok('POST', `/pending_certificates/${body.id}/upload`, {
      body: chain,
      chain: authorityCertificate.body,
    });
    expect(await get(body.id)).toMatchObject({ lifecycle: 'issued', withdrawals: [] });
  });

  it('is revoked at the deadline when nobody has accepted or rejected it', async () => {
    const { body } = await ask('other-names', 'undecided.example.com');
    program.clock.advance(3 * dayMs + 60_000);
    expect((await inState(body.id, 'failed')).order.fault).toBe('overdue');
    const { withdrawals } = await withdrawn(body.id, 'revoke');
    expect(withdrawals).toMatchObject([{ kind: 'revoke', serial: body.order.disputed.serial }]);
  });
});

describe('the answer to a request', () => {
  const cancelled = async (host: string): Promise<Answer> => {
    const asking = ask('never', host);
    const { id } = await eventually(
      async () => (await program.ok('GET', `/pending_certificates?filter=cn;${host}`)).items[0],
    );
    expect((await program.call('DELETE', `/pending_certificates/${id}`)).status).toBe(204);
    return asking;
  };

  it.each<[string, (host: string) => Promise<Answer>, object]>([
    [
      'is in dispute',
      (host) => ask('other-names', host),
      { lifecycle: 'pending', order: { disputed: { chain: expect.any(String) } } },
    ],
    ['has failed', (host) => ask('refuses', host), { lifecycle: 'failed' }],
    ['is cancelled', cancelled, { lifecycle: 'cancelled' }],
  ])('is sent without further waiting once the order %s', async (state, asked, expected) => {
    const host = `${state.replaceAll(' ', '-')}.example.com`;
    const waiting = ask('never', `${state.replaceAll(' ', '-')}.example.net`);
    const { body } = await Promise.race([asked(host), waiting]);
    expect(body).toMatchObject({ commonName: host, ...expected });
    expect((await waiting).status).toBe(202);
  });
});

describe('a renewal', () => {
  it('sends its CA a CSR with the whole subject and all names of the certificate', async () => {
    const subject = '/CN=Kept+UID=4711/OU=B/OU=A/DC=example/emailAddress=a@example.com/O=Kunde';
    const names = ['DNS:kept.example.com', 'DNS:*.kept.example.com', 'IP Address:192.0.2.7', 'email:kept@example.com'];
    const folder = await mkdtemp(join(tmpdir(), 'perennial-renewal-'));
    const [key, body] = [join(folder, 'key.pem'), join(folder, 'body.pem')];
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'];
    const san = `subjectAltName=${names.join(',').replace('IP Address', 'IP')}`;
    openssl([...made, '-multivalue-rdn', '-subj', subject, '-addext', san, '-keyout', key, '-out', body]);
    const uploaded = await program.ok('POST', '/certificates/upload', {
      owner: 'joe@example.com',
      body: await readFile(body, 'utf8'),
      privateKey: await readFile(key, 'utf8'),
    });
    await rm(folder, { recursive: true });
    await program.database.source.query(
      `update certificate set authority_id = (select id from authority where name = 'never') where id = $1`,
      [uploaded.id],
    );
    await program.ok('POST', `/certificates/${uploaded.id}/reissue`, {});
    const csr = issuer.csrs.at(-1) ?? '';
    const shown = ['-noout', '-subject', '-nameopt', 'esc_ctrl,utf8,show_type,sep_multiline,sname'];
    expect(openssl(['req', ...shown], csr)).toBe(openssl(['x509', ...shown], uploaded.body));
    expect(openssl(['req', '-noout', '-text'], csr)).toContain(names.join(', '));
  });
});

describe('a mass replacement', () => {
  it('does not count a renewal that is pending at another CA as replaced, and says what to do', async () => {
    issuer.deliver();
    const { body } = await ask('pending', 'leaves.example.com', { rotation: true });
    await inState(body.id, 'issued');
    await program.database.source.query(
      `update certificate set authority_id = (select id from authority where name = 'never') where id = $1`,
      [body.id],
    );
    await program.ok('POST', `/certificates/${body.id}/reissue`, {});
    const check = async (authority?: object): Promise<Json> =>
      (await program.ok('POST', '/replacements', { ids: [body.id], reason: 'It is down.', authority })).check;
    expect(await check({ name: 'pending' })).toMatchObject({
      alreadyReplaced: 0,
      refused: [{ code: 'successor-under-way', detail: expect.stringContaining('Cancel that request'), count: 1 }],
    });
    for (const authority of [undefined, { name: 'never' }])
      expect(await check(authority)).toMatchObject({ alreadyReplaced: 1, refused: [] });
  });
});

describe('a CA that suggests when to renew (ARI)', () => {
  it('is asked about the certificates that it issued, and the plan is a random moment in its window', async () => {
    issuer.deliver();
    const at = program.clock.now().getTime();
    const [windowStart, windowEnd] = [new Date(at + 5 * dayMs), new Date(at + 6 * dayMs)];
    issuer.renewalInfo = { windowStart, windowEnd, explanationUrl: 'https://ca.example.com/why', retryAfterS: 60 };
    const { body } = await ask('pending', 'suggested.example.com', { rotation: true });
    await inState(body.id, 'issued');
    const planned = (is: (plan: Json) => boolean): Promise<Json> =>
      eventually(async () => {
        const plan = await program.ok('GET', `/certificates/${body.id}/plan`);
        return is(plan) && plan;
      });
    const plan = await planned(({ reason }) => reason === 'ca-window');
    expect(plan).toMatchObject({
      reason: 'ca-window',
      at: plan.suggested.at,
      suggested: { explanationUrl: 'https://ca.example.com/why' },
    });
    expect(Date.parse(plan.at)).toBeGreaterThanOrEqual(windowStart.getTime() - 1000);
    expect(Date.parse(plan.at)).toBeLessThanOrEqual(windowEnd.getTime());
    program.clock.advance(120_000);
    const { body: pem } = await get(body.id);
    await eventually(async () => issuer.asked.renewalInfo.filter((one) => one === pem).length > 1);
    expect((await planned(() => true)).at).toBe(plan.at);
    issuer.renewalInfo = { windowStart: new Date(at - dayMs), windowEnd: new Date(at), retryAfterS: 60 };
    program.clock.advance(120_000);
    const renewed = await eventually(async () => {
      const certificate = await program.ok('GET', `/certificates/${body.id}`);
      return certificate.lifecycle === 'superseded' && certificate;
    });
    expect(renewed.replacedBy).toHaveLength(1);
  });

  it('and then another time is followed although no maintenance window opens before the end of that', async () => {
    issuer.deliver();
    // The CA has the real time.
    const [at, signedAt] = [program.clock.now().getTime(), Date.now()];
    const weekdayAt = (ms: number): string =>
      new Date(ms).toLocaleDateString('en', { weekday: 'short', timeZone: 'UTC' }).toLowerCase();
    const suggested = [at, at + dayMs, ...[60, 61, 62].map((days) => signedAt + days * dayMs)].map(weekdayAt);
    const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].filter((day) => !suggested.includes(day));
    const windows = [{ weekdays: weekdays.slice(0, 1), from: '10:00', to: '10:30' }];
    const policy = { name: 'once a week', days: 10, maintenance: { timeZone: 'UTC', windows } };
    await program.ok('POST', '/policies', policy);
    const span = (since: number, from: number, to: number) => ({
      windowStart: new Date(since + from * dayMs),
      windowEnd: new Date(since + to * dayMs),
      retryAfterS: 60,
    });
    issuer.renewalInfo = span(signedAt, 60, 62);
    const { body } = await ask('pending', 'held.example.com', {
      validityDays: 90,
      rotation: true,
      rotationPolicy: { name: policy.name },
    });
    await inState(body.id, 'issued');
    const planned = (is: (plan: Json) => boolean): Promise<Json> =>
      eventually(async () => {
        const plan = await program.ok('GET', `/certificates/${body.id}/plan`);
        return is(plan) && plan;
      });
    // A usual window: the next maintenance window is early enough, also after the end.
    const usual = await planned(({ suggested }) => suggested !== null);
    expect(usual).toMatchObject({ reason: 'ca-window', text: expect.stringContaining('next maintenance window') });
    let days = 1;
    const suggest = (): void => {
      issuer.renewalInfo = span(at, 0, days);
      program.clock.advance(120_000);
    };
    suggest();
    const plan = await planned(({ reason, at: begins }) => {
      // The random moment is in the last part of the window, which is waited for anyhow: the CA suggests another one.
      if (reason === 'ca-window' && Date.parse(begins) < at + dayMs) {
        days -= 0.01;
        suggest();
      }
      return reason === 'emergency';
    });
    expect(plan.text).toMatch(/No maintenance window opens before the renewal window that the CA suggests is about to/);
    expect(plan.hold).toMatchObject({ kind: 'window', until: plan.at });
    expect(plan.explanation.join(' ')).toContain('nothing holds it any more: the renewal window that the CA suggests');
    expect(Date.parse(plan.at)).toBeGreaterThanOrEqual(Date.parse(plan.suggested.at));
    expect(Date.parse(plan.at)).toBeLessThan(at + dayMs);
    program.clock.advance(dayMs);
    await inState(body.id, 'superseded');
  });
});
