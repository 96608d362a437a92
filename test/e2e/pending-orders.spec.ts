import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';
import type { BehaviourName } from '../fakes/scripted-ca.issuer.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

const ca = new ScriptedCa();
const owner = 'pki@example.com';
const ids = new Map<string, number>();
let program: TestProgram;

beforeAll(async () => {
  program = await startProgram({}, { plugins: [...plugins, ca.plugin] });
});
afterAll(async () => {
  await program.stop();
  await ca.stop();
});

/** Makes an authority of this behaviour, once. */
async function authorityOf(behaviour: BehaviourName): Promise<number> {
  const known = ids.get(behaviour);
  if (known !== undefined) return known;
  const plugin = { id: 'scripted-ca', options: { ca: `CA ${behaviour}`, behaviour } };
  const { id } = await program.ok('POST', '/authorities', { name: behaviour, owner, orderDeadlineDays: 3, plugin });
  ids.set(behaviour, id);
  return id;
}
async function ask(behaviour: BehaviourName, commonName: string, more: object = {}): Promise<number> {
  await authorityOf(behaviour);
  const { body } = await program.call('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName,
    authority: { name: behaviour },
    validityDays: 90,
    ...more,
  });
  return body.id;
}
const get = (id: number): Promise<Json> => program.ok('GET', `/pending_certificates/${id}`);
const retry = (id: number): Promise<Json> => program.ok('PUT', `/pending_certificates/${id}/retry`);
const until = (id: number, is: (certificate: Json) => boolean): Promise<Json> =>
  eventually(async () => {
    const certificate = await get(id);
    return is(certificate) && certificate;
  });
const setActive = (id: number, active: boolean): Promise<Json> =>
  program.ok('PUT', `/authorities/${id}`, { owner, active });
const setPlugin = (id: number, pluginId: string): Promise<unknown> =>
  program.database.source.query('update authority set plugin_id = $2, version = version + 1 where id = $1', [
    id,
    pluginId,
  ]);

describe('a pending certificate', () => {
  it.each<[string, BehaviourName, object]>([
    ['that its CA works on', 'pending', { waitsFor: 'issuer', attempts: 0, fault: null, progress: expect.any(String) }],
    ['that a person at the CA must approve', 'approval', { waitsFor: 'approval', progress: 'A person looks at it.' }],
    [
      'whose CA was busy',
      'unavailable-once',
      { waitsFor: 'retry', attempts: 1, fault: 'unavailable', detail: 'The CA is busy.' },
    ],
    ['whose answer is in dispute', 'other-names', { waitsFor: 'decision', disputed: { serial: expect.any(String) } }],
    ['that the CA refused', 'refuses', { waitsFor: null, fault: 'refused', detail: 'The CA says no.' }],
  ])('%s shows who must act, and the last answer', async (_, behaviour, order) => {
    const id = await ask(behaviour, `shown-${behaviour}.example.com`);
    expect((await get(id)).order).toMatchObject({ answeredAt: expect.any(String), ...order });
    const { items } = await program.ok('GET', `/pending_certificates?filter=cn;shown-${behaviour}.example.com`);
    if (behaviour !== 'refuses')
      expect(items).toMatchObject([
        { id, order: { ...order, deadlineAt: expect.any(String), nextAttemptAt: expect.any(String) } },
      ]);
  });
});

describe('"retry now"', () => {
  it('polls the CA for an order at once', async () => {
    const id = await ask('never', 'asked.example.com');
    await program.database.source.query(
      `update certificate set next_attempt_at = now() + interval '1 day' where id = $1`,
      [id],
    );
    await program.database.source.query(`update outbox set run_at = now() + interval '1 day' where state = 'due'`);
    const before = ca.asked.poll.length;
    expect(await retry(id)).toMatchObject({ lifecycle: 'pending', order: { waitsFor: 'issuer' } });
    await eventually(async () => ca.asked.poll.length > before);
    const events = (await program.ok('GET', `/logs?filter=targetId;${id}`)).items;
    expect(events[0]).toMatchObject({ logType: 'certificate.order-retried', user: { username: 'admin' } });
  });

  it('places an order whose CA was down, and resets the number of attempts', async () => {
    await authorityOf('pending');
    ca.isDown = true;
    const id = await ask('pending', 'down.example.com');
    expect((await get(id)).order).toMatchObject({ waitsFor: 'retry', fault: 'unavailable', attempts: 1 });
    ca.isDown = false;
    await retry(id);
    await until(id, ({ lifecycle, order }) => lifecycle === 'pending' && order.attempts === 0);
  });

  it('reports that the authority is not active, and continues once it is active', async () => {
    const authority = await authorityOf('approval');
    ca.isDown = true;
    const id = await ask('approval', 'inactive.example.com');
    ca.isDown = false;
    await setActive(authority, false);
    await retry(id);
    const waiting = await until(id, ({ order }) => order.fault === 'misconfigured');
    expect(waiting.order).toMatchObject({ waitsFor: 'configuration', detail: 'Authority approval is not active.' });
    await setActive(authority, true);
    await retry(id);
    expect((await until(id, ({ lifecycle }) => lifecycle === 'pending')).order.waitsFor).toBe('approval');
  });

  it('continues when the plugin of the CA is installed again', async () => {
    const authority = await authorityOf('never');
    const id = await ask('never', 'gone.example.com');
    await setPlugin(authority, 'gone-issuer');
    await retry(id);
    await until(id, ({ order }) => order.waitsFor === 'configuration');
    await setPlugin(authority, 'scripted-ca');
    await retry(id);
    await until(id, ({ order }) => order.waitsFor === 'issuer');
  });

  it('leaves an answer in dispute for a user to decide', async () => {
    const id = await ask('other-names', 'disputed.example.com');
    await retry(id);
    await eventually(async () => {
      const left = await program.database.source.query<unknown[]>(
        `select from outbox where job = 'certificate.issue' and data->>'certificateId' = $1 and state = 'due'
         and run_at <= now()`,
        [String(id)],
      );
      return left.length === 0;
    });
    expect((await get(id)).order).toMatchObject({ waitsFor: 'decision', fault: 'disputed' });
  });

  it('cancels the order of a cancelled request at the CA at once', async () => {
    const id = await ask('never', 'cancelled.example.com');
    ca.isDown = true;
    expect((await program.call('DELETE', `/pending_certificates/${id}`)).status).toBe(204);
    await until(id, ({ withdrawals }) => withdrawals[0]?.attempts > 0);
    ca.isDown = false;
    await retry(id);
    await until(id, ({ withdrawals }) => withdrawals[0]?.state === 'done');
  });

  it('is refused for a failed request, and for users who may not change the certificate', async () => {
    const id = await ask('refuses', 'refused.example.com');
    expect((await program.call('PUT', `/pending_certificates/${id}/retry`)).status).toBe(409);
    const password = 'Correct-Horse-2!';
    await program.ok('POST', '/users', { username: 'ann', email: 'ann@example.com', password, roles: [] });
    const token = await program.login('ann', password);
    const other = await ask('never', 'theirs.example.com');
    expect((await program.call('PUT', `/pending_certificates/${other}/retry`, undefined, { token })).status).toBe(403);
  });
});

describe('the warning before a certificate expires', () => {
  it('says that the authority for the renewal is not active', async () => {
    ca.deliver();
    const { id: policyId } = await program.ok('POST', '/policies', { name: 'late', days: 5 });
    const settings = { owner: 'amy@example.com', rotation: true, rotationPolicy: { id: policyId } };
    const id = await ask('keeps', 'warned.example.com', settings);
    await until(id, ({ lifecycle }) => lifecycle === 'issued');
    await setActive(await authorityOf('keeps'), false);
    program.clock.advance(61 * dayMs);
    const mail = await eventually(async () =>
      (await program.ok('GET', '/mails?count=100')).items.find(({ subject }: Json) =>
        subject.startsWith('warned.example.com expires'),
      ),
    );
    expect(mail.text).toContain('not automatic (Authority keeps, which would renew it, is not active.)');
    expect(mail.text).toContain('Renew what is still needed');
  });
});
