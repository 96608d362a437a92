import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { ExpiryLedgerRepository } from '../../src/certificates/notify/expiry-ledger.repository.js';
import { ExpirySweep } from '../../src/certificates/notify/expiry.sweep.js';
import { TaskReport } from '../../src/jobs/task-report.js';
import { Database } from '../../src/platform/db/database.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

const certificates = 2300;
const never = new AbortController().signal;

/** A process without sweeps and jobs of its own: what is due waits for the test. */
let program: TestProgram;
beforeAll(async () => {
  program = await startProgram({ PERENNIAL_ROLE: 'api' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  await program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: 'many.example.com',
    authority: { name: 'root' },
    validityDays: 90,
  });
  await copyCertificate();
});
afterAll(() => program.stop());

const rows = <T = unknown>(sql: string, values: unknown[] = []): Promise<T[]> =>
  program.database.source.query<T[]>(sql, values);
const service = <T>(of: new (...given: never[]) => T): T => program.perennial.app.get(of, { strict: false });
const sweep = async (): Promise<TaskReport> => {
  const report = new TaskReport();
  await service(ExpirySweep).run(never, report);
  return report;
};

/** The first certificate as many, each with a name and an identity of its own. */
async function copyCertificate(): Promise<void> {
  const own: Record<string, string> = {
    name: `name || '-' || n`,
    secret_id: 'gen_random_uuid()',
    sha256: `encode(sha256(n::text::bytea), 'hex')`,
    serial_hex: 'upper(to_hex(n + (1::bigint << 62)))',
  };
  const columns = await rows<{ name: string }>(
    `select column_name as name from information_schema.columns where table_name = 'certificate'
     and column_name not in ('id', 'request_key', 'renews_id') and is_generated = 'NEVER'`,
  );
  await rows(
    `insert into certificate (${columns.map(({ name }) => name).join(', ')})
     select ${columns.map(({ name }) => own[name] ?? name).join(', ')}
       from certificate, generate_series(2, $1::int) as n`,
    [certificates],
  );
}

/** All are due at one moment, as after a mass import, and have no notice. */
beforeEach(async () => {
  await rows('delete from notice');
  await rows('delete from next_notice');
  await rows('insert into next_notice (certificate_id, at) select id, not_after from certificate');
  await rows(`update next_notice set at = $1`, [program.clock.now()]);
});

it('two sweeps at once write each warning of each certificate once, and plan the next one', async () => {
  // Of the leads of 30, 15 and 2 days, two are due 10 days before the end.
  program.clock.advance(80 * dayMs);
  const reports = await Promise.all([sweep(), sweep()]);
  const taken = reports.map(({ counts }) => counts.certificates ?? 0);
  expect(taken.reduce((sum, one) => sum + one, 0)).toBe(certificates);
  const leads = await rows<{ count: number }>(
    `select count(distinct certificate_id)::int as count, split_part(dedupe_key, ':', 4)::int as lead from notice
     where event = 'certificate.expiring' group by lead, subscription_id order by lead`,
  );
  expect(leads).toEqual([
    { count: certificates, lead: 15 * 86_400 },
    { count: certificates, lead: 30 * 86_400 },
  ]);
  expect(
    await rows(
      `select count(*)::int as count, min(c.not_after - n.at)::text as least, max(c.not_after - n.at)::text as most
       from next_notice n join certificate c on c.id = n.certificate_id`,
    ),
  ).toEqual([{ count: certificates, least: '2 days', most: '2 days' }]);
  expect((await sweep()).counts).toEqual({});
});

it('what a sweep that died has left is warned of by the next one, and nothing twice', async () => {
  const { db } = program.database;
  const ledger = service(ExpiryLedgerRepository);
  await expect(
    db.write(async (tx) => {
      await ledger.warn(tx, await ledger.take(tx, program.clock.now(), 1000), program.clock.now());
      throw new Error('died');
    }),
  ).rejects.toThrow('died');
  // It had committed its first batch.
  await db.write(async (tx) => ledger.warn(tx, await ledger.take(tx, program.clock.now(), 1000), program.clock.now()));
  expect((await sweep()).counts.certificates).toBe(certificates - 1000);
  expect(
    await rows(
      `select max(count)::int as most, count(*)::int as certificates from (
         select count(*) from notice group by certificate_id) as each`,
    ),
  ).toEqual([{ most: 2, certificates }]);
});

it('a certificate that is not watched any more loses its place in the plan without a notice', async () => {
  await rows('update certificate set notify = false where id % 2 = 0');
  await sweep();
  expect(await rows('select from notice where certificate_id % 2 = 0 limit 1')).toEqual([]);
  expect(await rows('select from next_notice where certificate_id % 2 = 0 limit 1')).toEqual([]);
  await rows('update certificate set notify = true');
});

it('takes what is due by an index, in the order of the plan, however much is due at one moment', async () => {
  await rows('vacuum analyze next_notice');
  await rows('vacuum analyze certificate');
  const plans: string[] = [];
  await service(Database).write(async (tx) => {
    const explaining = new Proxy(tx, {
      get: (target, key) =>
        key === 'query'
          ? async (sql: string, values: unknown[]) => {
              const plan: Record<'QUERY PLAN', string>[] = await target.query(`explain ${sql}`, values);
              plans.push(plan.map((line) => line['QUERY PLAN']).join('\n'));
              return [];
            }
          : (Reflect.get(target, key) as unknown),
    });
    await service(ExpiryLedgerRepository).take(explaining, program.clock.now(), 100);
  });
  expect(plans).toHaveLength(1);
  expect(plans[0]).toContain('Index Scan using next_notice_at on next_notice');
  expect(plans[0]).toContain('Index Scan using certificate_pkey on certificate');
  expect(plans[0]).not.toMatch(/Sort|Seq Scan|Hash/);
});
