import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

let program: TestProgram;
beforeAll(async () => {
  program = await startProgram();
});
afterAll(() => program.stop());

const task = async (name: string): Promise<Json> =>
  (await program.ok('GET', '/tasks')).find((one: { name: string }) => one.name === name);
const newestRun = async (name: string): Promise<Json> => (await program.ok('GET', `/tasks/${name}/runs`)).items[0];
const ready = async (): Promise<Json> => (await fetch(`${program.url}/health/ready`)).json();
const metrics = async (): Promise<string> => (await fetch(`${program.url}/metrics`)).text();

describe('periodic tasks over REST', () => {
  it('are listed with their last run, and each run tells what it has done', async () => {
    await eventually(async () => (await task('jobs.prune'))?.lastSuccessAt);
    await eventually(async () => (await task('crl'))?.lastSuccessAt);
    expect(await task('jobs.prune')).toEqual({
      name: 'jobs.prune',
      intervalS: 3600,
      running: false,
      stale: false,
      failures: 0,
      lastStartedAt: expect.any(String),
      lastSuccessAt: expect.any(String),
      lastError: null,
      paused: false,
      pausedAt: null,
      pausedBy: null,
      wantedAt: null,
    });
    expect(await newestRun('jobs.prune')).toMatchObject({ outcome: 'ok', error: null, counts: {}, failures: [] });
  });

  it('run when somebody asks for it, long before their time', async () => {
    const { id } = await newestRun('jobs.prune');
    await program.database.source.query(
      `insert into outbox (id, job, data, state, finished_at)
       values (gen_random_uuid(), 'old', '{}', 'done', now() - interval '2 days')`,
    );
    expect((await program.call('POST', '/tasks/jobs.prune/run')).status).toBe(202);
    const run = await eventually(async () => {
      const newest = await newestRun('jobs.prune');
      return newest.id !== id && newest.outcome === 'ok' && newest;
    });
    expect(run.counts).toEqual({ jobs: 1 });
  });

  it('stay paused as the switch says, which is told as a warning, until they are resumed (36: UCM 2.196)', async () => {
    const paused = await program.ok('PUT', '/tasks/crl', { paused: true });
    expect(paused).toMatchObject({ paused: true, pausedBy: 'admin', pausedAt: expect.any(String) });
    expect(await task('crl')).toMatchObject({ paused: true, stale: false });
    expect((await ready()).warnings).toContainEqual(expect.stringMatching(/^Paused: the periodic tasks crl\./));
    const { id } = await newestRun('crl');
    const others = async (): Promise<number> =>
      (await program.ok('GET', '/tasks/due-work/runs?count=1000')).items.length;
    const before = await others();
    await eventually(async () => (await others()) > before + 1);
    expect((await newestRun('crl')).id).toBe(id);
    expect(await program.ok('PUT', '/tasks/crl', { paused: false })).toMatchObject({ paused: false, pausedBy: null });
    await eventually(async () => (await newestRun('crl')).id !== id);
    expect((await ready()).warnings).toEqual([]);
    expect(
      (await program.ok('GET', '/logs?filter=targetId;crl')).items.map((one: { logType: string }) => one.logType),
    ).toEqual(['task.resumed', 'task.paused']);
  });

  it('that do not succeed for long are stale in list, readiness and metrics (14: certmate#417)', async () => {
    expect(await metrics()).toMatch(/^perennial_periodic_stale\{task="jobs.prune"\} 0$/m);
    await program.database.source.query(
      `update periodic_task set last_success_at = now() - interval '4 hours' where name = 'jobs.prune'`,
    );
    expect(await task('jobs.prune')).toMatchObject({ stale: true });
    expect((await ready()).warnings).toEqual([
      'No success in time: the periodic tasks jobs.prune. GET /api/1/tasks tells more.',
    ]);
    expect(await metrics()).toMatch(/^perennial_periodic_stale\{task="jobs.prune"\} 1$/m);
  });

  it('that fail on every run count their failures and keep the reason of each run (36: UCM 2.122)', async () => {
    const { source } = program.database;
    await source.query('alter table idempotent_request rename to gone');
    await program.ok('POST', '/tasks/jobs.prune/run');
    const failed = await eventually(async () => {
      const newest = await newestRun('jobs.prune');
      return newest.outcome === 'failed' && newest;
    });
    await source.query('alter table gone rename to idempotent_request');
    expect(failed.error).toMatch(/idempotent_request/);
    expect(await task('jobs.prune')).toMatchObject({ failures: 1, lastError: failed.error });
  });

  it('that do not exist are not found', async () => {
    for (const [method, path] of [
      ['GET', '/tasks/unknown/runs'],
      ['POST', '/tasks/unknown/run'],
    ] as const)
      expect((await program.call(method, path)).status).toBe(404);
    expect((await program.call('PUT', '/tasks/unknown', { paused: true })).status).toBe(404);
  });
});

describe('dead letters', () => {
  it('are replayed together, all or those of one job, and the log tells how many', async () => {
    const { source } = program.database;
    const dead = `select job, identity from outbox where state = 'dead' order by job, created_at`;
    await source.query(
      `insert into outbox (id, job, identity, data, state, waiting, created_at, finished_at)
       select gen_random_uuid(), job, identity, '{}', 'dead', false, now() + n * interval '1 ms', now()
       from (values (1, 'no.job', 'a'), (2, 'no.job', 'a'), (3, 'no.job', 'b'), (4, 'other.job', 'a'))
         as row(n, job, identity)`,
    );
    expect(await program.ok('POST', '/jobs/replay', { job: 'no.job' })).toEqual({ replayed: 2 });
    expect(await source.query(dead)).toEqual([
      { job: 'no.job', identity: 'a' },
      { job: 'other.job', identity: 'a' },
    ]);
    expect(await program.ok('POST', '/jobs/replay', {})).toEqual({ replayed: 2 });
    expect(await source.query(dead)).toEqual([]);
    expect(await program.ok('POST', '/jobs/replay', {})).toEqual({ replayed: 0 });
    const { items } = await program.ok('GET', '/logs?filter=logType;job.replayed');
    expect(items).toHaveLength(2);
  });
});
