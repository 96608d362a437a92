import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';
import { sweptTwice } from '../support/sweeps.js';

let program: TestProgram;
beforeAll(async () => {
  program = await startProgram();
  const ca = { name: 'ca', owner: 'pki@example.com', commonName: 'ca', validityYears: 20 };
  await program.ok('POST', '/authorities', ca);
  await program.ok('POST', '/policies', { name: 'ten days', days: 10, spreadHours: 0 });
});
afterAll(() => program.stop());

let number = 0;
const issue = (more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: `host-${(number += 1)}.example.com`,
    authority: { name: 'ca' },
    validityDays: 90,
    rotation: true,
    rotationPolicy: { name: 'ten days' },
    ...more,
  });
const pauseAll = (): Promise<Json> =>
  program.ok('POST', '/rotation/pauses', { scope: 'all', reason: 'The HSM is moved.', holdsEmergencies: true });
const goTo = ({ notAfter }: Json, daysBefore: number): void =>
  program.clock.advance(Date.parse(notAfter) - daysBefore * dayMs - program.clock.now().getTime());
const isRenewed = async ({ id }: Json): Promise<boolean> =>
  (await program.ok('GET', `/certificates/${id}`)).replacedBy.length > 0;
const waiting = async ({ id }: Json): Promise<number> =>
  (await program.database.source.query('select from renewal_wait where certificate_id = $1', [id])).length;

it('a pause that ends lets the successor of a compromised key begin at once, and spreads the others', async () => {
  const [compromised, plain] = [await issue(), await issue()];
  const { id } = await pauseAll();
  // As if it had been found at another certificate of the key.
  await program.database.source.query(
    `update certificate set renewal_reason = 'key-compromised', next_renewal_at = $2 where id = $1`,
    [compromised.id, program.clock.now()],
  );
  await eventually(async () => (await waiting(compromised)) === 1);
  goTo(plain, 9.9);
  await eventually(async () => (await waiting(plain)) === 1);
  await program.ok('DELETE', `/rotation/pauses/${id}`);
  await eventually(() => isRenewed(compromised));
  const [{ at }] = await program.database.source.query('select next_renewal_at as at from certificate where id = $1', [
    plain.id,
  ]);
  expect(at.getTime()).toBeGreaterThan(program.clock.now().getTime());
  program.clock.advance(dayMs);
  await eventually(() => isRenewed(plain));
});

it('what a sweep holds for a pause that ends meanwhile goes on', async () => {
  const held = await issue();
  const { id } = await pauseAll();
  const { source } = program.database;
  await source.query(`create function stop_for_test() returns trigger language plpgsql
    as $$ begin perform pg_advisory_xact_lock(4711); return new; end $$`);
  await source.query(
    'create trigger stop_for_test before insert on renewal_wait for each row execute function stop_for_test()',
  );
  const stopper = source.createQueryRunner();
  await stopper.query('select pg_advisory_lock(4711)');
  const blocked = async (condition: string): Promise<boolean> =>
    (await source.query(`select from pg_stat_activity where datname = current_database() and ${condition}`)).length > 0;
  goTo(held, 9.9);
  await eventually(() => blocked(`wait_event = 'advisory' and query like '%renewal_wait%'`));
  const ended = program.ok('DELETE', `/rotation/pauses/${id}`);
  // Either it waits for the sweep, or its job has let go on what the pause held so far.
  await eventually(
    async () =>
      (await blocked(`wait_event_type = 'Lock' and query like '%rotation_pause%for update%'`)) ||
      (await source.query(`select from outbox where job = 'rotation.resume' and state = 'done'`)).length > 1,
  );
  await stopper.query('select pg_advisory_unlock(4711)');
  await stopper.release();
  await ended;
  await sweptTwice(program, 'due-work');
  await eventually(async () => (await waiting(held)) === 0);
  program.clock.advance(dayMs);
  await eventually(() => isRenewed(held));
});

it('a certificate about which nothing can be decided holds up no other one, and is named in the run', async () => {
  const maintenance = { timeZone: 'UTC', windows: [{ weekdays: ['mon'], from: '00:00', to: '00:00' }] };
  const policy = await program.ok('POST', '/policies', { name: 'nowhere', days: 10, spreadHours: 0, maintenance });
  const odd = await issue({ rotationPolicy: { name: 'nowhere' } });
  const plain = await issue();
  await program.database.source.query(
    `update rotation_policy set maintenance = jsonb_set(maintenance, '{timeZone}', '"Nowhere/Land"') where id = $1`,
    [policy.id],
  );
  goTo(plain, 9.9);
  await program.database.source.query('update certificate set next_renewal_at = $2 where id = $1', [
    odd.id,
    program.clock.now(),
  ]);
  await eventually(() => isRenewed(plain));
  await eventually(async () => {
    const { items } = await program.ok('GET', '/tasks/due-work/runs?count=50');
    return items.some(({ failures }: Json) => failures.some(({ item }: Json) => item === `certificate ${odd.id}`));
  });
});
