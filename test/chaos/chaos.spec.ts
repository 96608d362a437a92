import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { redisIsInstalled } from '../support/redis.js';
import { seeded } from '../support/seeded.js';
import { Faults } from './faults.js';
import { type Finding, judge } from './invariants.js';
import { timeCanBeMoved } from './moved-time.js';
import { furnish, Population } from './population.js';
import { Stage } from './stage.js';

const seed = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const certificates = Number(process.env['CHAOS_CERTIFICATES'] ?? 60);
const minutes = Number(process.env['CHAOS_MINUTES'] ?? 0.4);
/** How long the program may take to settle once nothing is wrong any more. */
const settlingMs = 240_000;

/** What is still to be done; jobs that are planned for later are not. */
const openWork = `select
  (select count(*)::int from outbox where state = 'due' and run_at <= now() and job <> 'certificate.issue') as jobs,
  (select count(*)::int from delivery y join certificate c on c.id = y.certificate_id
    where y.state in ('planned', 'failing', 'removing', 'leaving')
      and c.state not in ('requested', 'pending')) as places,
  (select count(*)::int from notice where state = 'due') as notices,
  (select count(*)::int from certificate where next_renewal_at <= now() and state in ('issued', 'revoked')) as renewals,
  (select count(*)::int from certificate c join authority a on a.id = c.authority_id
    where c.state in ('requested', 'pending') and a.name <> 'waiting') as orders`;

/** Lets the program work until nothing is left. Time passes ten minutes at a time, so that retries come due. */
async function settle(stage: Stage): Promise<void> {
  const end = performance.now() + settlingMs;
  while (performance.now() < end) {
    const [open = {}] = await stage.database.query<Record<string, number>>(openWork);
    if (Object.values(open).every((count) => count === 0)) return;
    stage.time.move(600);
    await sleep(3_000);
  }
}

function report(faults: Faults, findings: readonly Finding[]): string {
  const line = (name: string, count: number): string => `  ${String(count).padStart(6)}  ${name}`;
  return [
    `chaos: seed ${seed}, ${certificates} certificates, ${minutes} minutes`,
    ...[...faults.counts].sort().map(([name, count]) => line(name, count)),
    'found',
    ...findings.map(
      ({ name, count, examples }) => line(name, count) + examples.map((one) => `\n          ${one}`).join(''),
    ),
  ].join('\n');
}

/** It takes minutes, so `npm test` leaves it out. */
const isAskedFor = process.env['CHAOS_SEED'] !== undefined;
const title = `a program around which everything fails${isAskedFor ? '' : ' (skipped: run npm run test:chaos)'}`;

describe.skipIf(!isAskedFor || !redisIsInstalled() || !timeCanBeMoved())(title, () => {
  let stage: Stage | undefined;
  afterEach(async () => {
    await stage?.close();
  });

  it(
    'loses no certificate, key, renewal, delivery or notice, and does nothing twice',
    { timeout: minutes * 60_000 + 600_000 },
    async () => {
      const random = seeded(seed);
      stage = await Stage.open(seed);
      await furnish(stage);
      const population = new Population(stage, random);
      population.plan(Math.ceil(certificates / 2));
      await population.ask();
      population.plan(Math.floor(certificates / 2));
      const faults = new Faults(stage, population, random);
      await Promise.all([faults.strike(performance.now() + minutes * 60_000), population.ask()]);
      await settle(stage);
      const findings = await judge(stage, population, faults);
      console.info(report(faults, findings));
      const renewals = findings.find(({ name }) => name === 'renewals');
      expect(renewals?.count, 'a run without renewals proves nothing').toBeGreaterThan(0);
      expect(findings.filter(({ mustBeNone, count }) => mustBeNone && count > 0).map(({ name }) => name)).toEqual([]);
    },
  );
});
