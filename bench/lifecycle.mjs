import { setTimeout as sleep } from 'node:timers/promises';
import { seedInventory, settings } from './inventory.mjs';
import { makeAuthority, Requests } from './issue.mjs';
import { residentMiB } from './memory.mjs';
import { query } from './postgres.mjs';
import { startProgram } from './program.mjs';
import { known, stage } from './report.mjs';

const clients = 16;
/** A bench waits at most so long for what the program is to do. */
const patienceMs = 1_200_000;

/**
 * Renewals of the local CA against plain issuing, the sweep for due work and the ledger of notices at `count`
 * certificates. Nothing here is paced: each figure is what the program does when it has nothing else to do.
 */
export async function lifecycleBench({ server, folders, build, rotations, count, dueAtOnce }) {
  const withProgram = async (work) => {
    const databaseUrl = await server.database();
    const program = await startProgram({ build, databaseUrl, dataDir: await folders(), sockets: clients });
    try {
      await makeAuthority(program.caller);
      return await work({ ...program, databaseUrl });
    } finally {
      await program.stop();
    }
  };
  const rotation = await withProgram((program) => rotate({ ...program, rotations }));
  // In a database of its own: the program still sends the mails about the renewals.
  const others = await withProgram(async ({ databaseUrl, ...program }) => {
    stage(`lifecycle: seeding ${count.toLocaleString('en')} certificates`);
    await issueAll(program.caller, 1);
    const url = new URL(databaseUrl);
    url.searchParams.set('options', settings);
    const [{ id }] = await query(databaseUrl, 'select min(id) as id from certificate');
    await seedInventory((text, values) => query(url.href, text, values), id, count);
    const sweeps = await sweep({ ...program, databaseUrl, dueAtOnce });
    return { sweeps, ledger: await ledger({ ...program, databaseUrl: url.href }) };
  });
  return { rotation, ...others };
}

/** Issues `count` certificates from CSRs; gives how many a second. */
async function issueAll(caller, count) {
  const requests = new Requests();
  await requests.fill(count);
  let next = 0;
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (next < count) await caller.text('POST', '/certificates', requests.bodies[next++]);
    }),
  );
  return count / ((performance.now() - begun) / 1000);
}

/** Issues `rotations` certificates from CSRs, and then renews all of them. */
async function rotate({ caller, databaseUrl, rotations }) {
  stage(`lifecycle: issuing ${rotations.toLocaleString('en')} certificates`);
  const baselinePerS = await issueAll(caller, rotations);
  known(`${Math.round(baselinePerS)}/s`);
  stage(`lifecycle: renewing ${rotations.toLocaleString('en')} certificates`);
  // Their names have their dates, as those of certificates that were issued so long ago.
  await query(
    databaseUrl,
    `update certificate set rotation = true, next_renewal_at = now(), name = name || '-' || id,
       not_before = now() - interval '81 days', not_after = now() + interval '9 days' where state = 'issued'`,
  );
  // By an index: to count the renewed again and again would take more time than to renew them.
  const isOneDue = async () =>
    (
      await query(
        databaseUrl,
        `select exists (select from certificate where next_renewal_at < now() + interval '1 day') as due`,
      )
    )[0].due;
  // Not after the wait for the next sweep, which is the same for one certificate and for all.
  await caller.accepted('POST', '/tasks/due-work/run');
  const due = performance.now();
  while (await isOneDue()) {
    if (performance.now() - due > patienceMs) throw new Error('Not all certificates are renewed.');
    await sleep(200);
  }
  const perS = rotations / ((performance.now() - due) / 1000);
  const [{ renewed }] = await query(
    databaseUrl,
    `select count(*)::int as renewed from certificate where renews_id is not null and state = 'issued'`,
  );
  if (renewed !== rotations) throw new Error(`Only ${renewed} certificates were renewed.`);
  known(`${Math.round(perS)}/s`);
  return { perS, baselinePerS, ratio: perS / baselinePerS };
}

/** How long a run of the sweep takes when nothing is due, and when `dueAtOnce` certificates are. */
async function sweep({ caller, databaseUrl, dueAtOnce }) {
  const results = [];
  for (const most of [0, dueAtOnce]) {
    stage(`lifecycle: the sweep with ${most.toLocaleString('en')} due`);
    // They are due for a look, which finds that they are too young: the sweep is measured, and not the renewals.
    const [{ due }] = await query(
      databaseUrl,
      `with marked as (
         update certificate set next_renewal_at = now() where id in (
           select id from certificate where state = 'issued' and not_after > now() + interval '60 days' limit $1)
         returning id)
       select count(*)::int as due from marked`,
      [most],
    );
    const run = await finishedRun({ caller, databaseUrl, task: 'due-work', atLeast: due });
    known(`${Math.round(run.ms)} ms`);
    results.push({ due, ms: run.ms });
  }
  return results;
}

/** Runs a task until one of its runs has handled `atLeast` renewals; gives how long this one took. */
async function finishedRun({ caller, databaseUrl, task, atLeast }) {
  const [{ last }] = await query(databaseUrl, 'select coalesce(max(id), 0)::int as last from task_run');
  await caller.accepted('POST', `/tasks/${task}/run`);
  for (const end = performance.now() + patienceMs; performance.now() < end; await sleep(100)) {
    const [run] = await query(
      databaseUrl,
      `select extract(epoch from finished_at - started_at)::float8 * 1000 as ms from task_run
       where task = $1 and id > $2 and outcome = 'ok' and coalesce((counts->>'renewals')::int, 0) >= $3
       order by id limit 1`,
      [task, last, atLeast],
    );
    if (run) return run;
  }
  throw new Error(`The task ${task} did not run.`);
}

/** Three warnings of each certificate are due at once: how long until all are in the ledger, and in what memory. */
async function ledger({ databaseUrl, pid }) {
  stage('lifecycle: the ledger of notices');
  await query(
    databaseUrl,
    `update subscription set leads_s = array[2592000, 1296000, 172800] where label like 'bench-%'`,
  );
  const before = residentMiB(pid);
  // Not retired, which another task would notice, and as autovacuum leaves a table: neither is the work of the ledger.
  await query(
    databaseUrl,
    `update certificate set not_after = now() + interval '1 day', state = 'issued', notify = true, retired = false,
       superseded_at = null where name like '%-Bench-seed' and deleted_at is null`,
  );
  await query(databaseUrl, 'vacuum analyze certificate');
  const [{ due }] = await query(
    databaseUrl,
    `with planned as (
       insert into next_notice (certificate_id, at)
         select id, now() from certificate where name like '%-Bench-seed' and deleted_at is null
       on conflict (certificate_id) do update set at = excluded.at returning 1)
     select count(*)::int as due from planned`,
  );
  const begun = performance.now();
  const [{ now: begunAt }] = await query(databaseUrl, 'select now()');
  let most = before;
  for (let first = begunAt; first !== null; await sleep(500)) {
    most = Math.max(most, residentMiB(pid));
    [{ first }] = await query(databaseUrl, 'select min(at) as first from next_notice where at <= $1', [begunAt]);
    if (performance.now() - begun > patienceMs) throw new Error('Not all certificates are warned of.');
  }
  const [{ notices, seconds }] = await query(
    databaseUrl,
    `select count(*)::int as notices, extract(epoch from max(created_at) - min(created_at))::float8 as seconds
     from notice where event = 'certificate.expiring' and created_at > $1`,
    [begunAt],
  );
  known(`${notices} notices in ${seconds} s`);
  return { due, notices, seconds, before, most };
}
