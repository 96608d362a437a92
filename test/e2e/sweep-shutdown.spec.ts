import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Periodic } from '../../src/jobs/periodic.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { eventually, MovableClock, startProgramOn, type TestProgram } from '../support/program.js';

const due = 1_250;
const batch = 1_000;
/** Transactions that have changed certificates and wait to write their jobs. */
const inSweep = `pg_locks w join pg_locks h on h.pid = w.pid where w.relation = 'outbox'::regclass and not w.granted
  and h.relation = 'certificate'::regclass and h.mode = 'RowExclusiveLock' and h.granted`;
const env = { ENCRYPTION_KEYS: randomBytes(32).toString('base64') };
let database: TestDatabase;
let program: TestProgram | undefined;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await program?.stop();
});

const start = (role: string): Promise<TestProgram> =>
  startProgramOn(database, new MovableClock(), { ...env, PERENNIAL_ROLE: role }, {});
const count = async (where: string): Promise<number> =>
  (await database.source.query(`select count(*)::int as count from ${where}`))[0].count;

/** Orders whose CA cannot be asked, since its plugin is not installed. */
async function addDueOrders(): Promise<void> {
  const given = { state: `'requested'`, secret_id: 'gen_random_uuid()', next_attempt_at: `now() - interval '1 hour'` };
  const empty = ['body_der', 'chain_id', 'serial_hex', 'sha256', 'issuer_sha256', 'next_renewal_at'];
  const set: Record<string, string> = { ...given, ...Object.fromEntries(empty.map((name) => [name, 'null'])) };
  const columns: { name: string }[] = await database.source.query(
    `select column_name as name from information_schema.columns where table_name = 'certificate'
     and column_name not in ('id', 'name', 'request_key') and is_generated = 'NEVER'`,
  );
  const values = columns.map(({ name }) => set[name] ?? name);
  await database.source.query(
    `insert into certificate (name, ${columns.map(({ name }) => name).join(', ')})
     select 'due-' || n, ${values.join(', ')} from certificate, generate_series(1, $1::int) as n`,
    [due],
  );
  await database.source.query(
    `insert into certificate_order (certificate_id, secret_id, deadline_at)
     select id, gen_random_uuid(), now() + interval '2 days' from certificate where state = 'requested'`,
  );
}

it('a sweep that is aborted stops after its batch, and the next process does the rest', async () => {
  const api = await start('api');
  await api.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
  await api.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: 'due.example.com',
    authority: { name: 'root' },
    validityDays: 90,
  });
  await database.source.query(`update authority set plugin_id = 'gone-issuer', version = version + 1`);
  await api.perennial.stop();

  const worker = await start('all');
  const gate = database.source.createQueryRunner();
  await gate.startTransaction();
  try {
    // Whoever writes a job waits from now on.
    await gate.query('lock table outbox in exclusive mode');
    await addDueOrders();
    await eventually(async () => (await count(inSweep)) > 0);
    const stopping = worker.perennial.stop();
    const periodic = worker.perennial.app.get(Periodic, { strict: false });
    await eventually(() => Promise.resolve(periodic['stopping']));
    await gate.rollbackTransaction();
    await stopping;
  } finally {
    await gate.release();
  }
  expect(await count(`certificate where state = 'requested' and next_attempt_at < now()`)).toBe(due - batch);
  expect(await count(`certificate where attempts > 0`)).toBe(0);

  program = await start('all');
  await eventually(async () => (await count('certificate where attempts > 0')) === due);
  expect(await count(`certificate where fault = 'misconfigured'`)).toBe(due);
});
