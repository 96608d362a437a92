import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Periodic, type TickWork } from '../../src/jobs/periodic.js';
import { TaskReport } from '../../src/jobs/task-report.js';
import { Calendar } from '../../src/certificates/rotate/calendar.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

/** A process that runs no jobs and no sweeps by itself: what a sweep enqueues waits. */
let program: TestProgram;
beforeAll(async () => {
  program = await startProgram({ PERENNIAL_ROLE: 'api' });
  const { ok } = program;
  await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root', validityYears: 2 });
  await ok('POST', '/destinations', { label: 'web', plugin: { id: 'filesystem', options: { path: '/nonexistent' } } });
  for (let n = 0; n < 5; n += 1)
    await ok('POST', '/certificates', {
      owner: `owner-${n % 2}@example.com`,
      commonName: `host-${n}.example.com`,
      authority: { name: 'root' },
      validityDays: 90,
      rotation: true,
      destinations: n % 2 === 0 ? [{ label: 'web' }] : [],
    });
  for (const label of ['a', 'b'])
    await ok('POST', '/sources', {
      label,
      owner: 'joe@example.com',
      plugin: { id: 'filesystem-source', options: { path: `/nonexistent/${label}` } },
    });
});
afterAll(() => program.stop());

it('sweeps in any number and order add no job that is due already', async () => {
  const periodic = program.perennial.app.get(Periodic, { strict: false });
  const tasks = periodic['tasks'] as ReadonlyMap<string, { work: TickWork }>;
  const names = [...tasks.keys()].filter((name) => !/^(jobs[.]prune|audit[.])/.test(name));
  expect(names).toEqual(expect.arrayContaining(['due-work', 'due-deliveries', 'expiry-notices', 'source-syncs']));
  const run = async (name = ''): Promise<void> => tasks.get(name)?.work(new AbortController().signal, new TaskReport());
  const jobs = async (): Promise<Record<string, number>> =>
    Object.fromEntries(
      (
        await program.database.source.query<{ job: string; count: number }[]>(
          `select job, count(*)::int as count from outbox where state = 'due' group by job order by job`,
        )
      ).map(({ job, count }) => [job, count]),
    );
  // Every warning before the end of the certificates is due; an hour later that of the CRL, too, which nobody makes.
  for (const ms of [89 * dayMs, 3_600_000]) {
    program.clock.advance(ms);
    for (const name of names) await run(name);
  }
  const expected = await jobs();
  expect(expected).toMatchObject({ 'certificate.rotate': 5, 'certificate.deploy': 3, 'source.sync': 2 });
  expect(expected['notice.send']).toBeGreaterThan(0);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...names), fc.integer({ min: 0, max: 3_600_000 })), { maxLength: 12 }),
      async (steps) => {
        for (const [name, ms] of steps) {
          // Past the moment at which each row comes up again in case its job was lost.
          program.clock.advance(ms);
          await run(name);
        }
        expect(await jobs()).toEqual(expected);
      },
    ),
    { numRuns: 12 },
  );
});

it('enqueues a due renewal whose job is lost at once, and one whose job has died after ten minutes', async () => {
  const { source } = program.database;
  const periodic = program.perennial.app.get(Periodic, { strict: false });
  const tasks = periodic['tasks'] as ReadonlyMap<string, { work: TickWork }>;
  const renewals = `job = 'certificate.rotate' and state = 'due'`;
  const swept = async (): Promise<{ due: number; taken: number }> => {
    const report = new TaskReport();
    await tasks.get('due-work')?.work(new AbortController().signal, report);
    const [{ due }] = await source.query(`select count(*)::int as due from outbox where ${renewals}`);
    return { due, taken: report.counts['renewals'] ?? 0 };
  };
  const one = `id = (select id from outbox where ${renewals} order by id limit 1)`;
  expect(await swept()).toEqual({ due: 5, taken: 0 });
  await source.query(`delete from outbox where ${one}`);
  expect(await swept()).toEqual({ due: 5, taken: 1 });
  await source.query(`update outbox set state = 'dead', finished_at = now() - interval '9 minutes' where ${one}`);
  expect(await swept()).toEqual({ due: 4, taken: 0 });
  await source.query(`update outbox set finished_at = now() - interval '11 minutes' where state = 'dead'`);
  expect(await swept()).toEqual({ due: 5, taken: 1 });
  // It died before the clock was set back by a month.
  await source.query(`update outbox set state = 'dead', finished_at = now() + interval '30 days' where ${one}`);
  expect(await swept()).toEqual({ due: 5, taken: 1 });
});

it('one run of a sweep takes all that is due, also when it is more than a transaction takes', async () => {
  const { source } = program.database;
  const [{ id: certificateId, authority_id: authorityId }] = await source.query(
    'select id, authority_id from certificate order by id limit 1',
  );
  const now = program.clock.now();
  await source.query(
    `insert into withdrawal (certificate_id, authority_id, kind, chain_pem, serial_hex, reason, give_up_at, created_at,
       next_attempt_at, state, attempts)
     select $1, $2, 'revoke', '', to_hex(n), 1, $3::timestamptz + interval '1 day', $3,
       $3::timestamptz - interval '1 hour', 'due', 0
     from generate_series(1, 2100) as n`,
    [certificateId, authorityId, now],
  );
  // Many are due at one moment, as after the end of a pause.
  await source.query(
    `insert into certificate (state, name, owner, common_name, distinguished_name, secret_id, issuer, spki_sha256,
       key_type, bits, not_before, not_after, san_count, terms, rotation_policy_id, created_at, next_renewal_at)
     select 'failed', 'failed-' || n, 'joe@example.com', '', '', gen_random_uuid(), '', 'ab', 'RSA2048', 2048,
       $1::timestamptz, $1, 0, '{}', (select min(id) from rotation_policy), $1, $1 - make_interval(hours => n % 2)
     from generate_series(1, 2100) as n`,
    [now],
  );
  const tasks = program.perennial.app.get(Periodic, { strict: false })['tasks'];
  await tasks.get('due-work')?.work(new AbortController().signal, new TaskReport());
  const [{ left }] = await source.query('select count(*)::int as left from withdrawal where next_attempt_at <= $1', [
    now,
  ]);
  expect(left).toBe(0);
  const [{ renewals }] = await source.query(
    `select count(*)::int as renewals from outbox where job = 'certificate.rotate' and state = 'due'`,
  );
  expect(renewals).toBe(2105);
  // They are late, so they happen today.
  const calendar = program.perennial.app.get(Calendar, { strict: false });
  const today = now.toISOString().slice(0, 10);
  expect((await calendar.of({})).days).toMatchObject([{ date: today, renewals: 2105 }]);
  expect((await calendar.of({ from: '2020-01-01', to: '2020-12-31' })).days).toEqual([]);
});

it('a process of the API alone lets what is planned follow the clock when it is set back', async () => {
  const { source } = program.database;
  await source.query(`update outbox set run_at = now() + interval '190 minutes' where state = 'due'`);
  await source.query(
    `insert into clock_watch (seen_at) values (clock_timestamp() + interval '3 hours')
     on conflict (id) do update set seen_at = excluded.seen_at`,
  );
  await eventually(async () => {
    const [{ late }] = await source.query(
      `select count(*)::int as late from outbox where state = 'due' and run_at > now() + interval '15 minutes'`,
    );
    return late === 0;
  });
});
