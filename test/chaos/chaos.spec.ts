import { afterEach, describe, expect, it } from 'vitest';
import { redisIsInstalled } from '../support/redis.js';
import { seeded } from '../support/seeded.js';
import { Faults } from './faults.js';
import type { Finding } from './finding.js';
import { judge } from './invariants.js';
import { timeCanBeMoved } from './moved-time.js';
import { furnish, Population } from './population.js';
import { settle } from './settling.js';
import { Stage } from './stage.js';

// `npm test` runs it so; `npm run test:chaos` makes it longer.
const seed = Number(process.env['CHAOS_SEED'] ?? 1);
const certificates = Number(process.env['CHAOS_CERTIFICATES'] ?? 80);
const minutes = Number(process.env['CHAOS_MINUTES'] ?? 0.25);

/** How long the parts of the run took. */
class Stopwatch {
  readonly seconds: string[] = [];
  private readonly startedMs = performance.now();
  private lastMs = this.startedMs;

  async time<T>(part: string, work: Promise<T>): Promise<T> {
    const result = await work;
    this.seconds.push(`${part} ${this.since(this.lastMs)}`);
    this.lastMs = performance.now();
    return result;
  }

  get total(): string {
    return this.since(this.startedMs);
  }

  private since(ms: number): string {
    return `${Math.round((performance.now() - ms) / 1000)} s`;
  }
}

/** What the run has done and found; its last line is a summary. */
function report(faults: Faults, findings: readonly Finding[], watch: Stopwatch): string {
  const line = (name: string, count: number): string => `  ${String(count).padStart(6)}  ${name}`;
  const of = (name: string): number => findings.find((one) => one.name === name)?.count ?? 0;
  const struck = [...faults.counts.values()].reduce((sum, count) => sum + count, 0);
  const wrong = findings.filter(({ mustBeNone }) => mustBeNone).reduce((sum, { count }) => sum + count, 0);
  return [
    `chaos: seed ${seed}, ${certificates} requests, ${minutes} minutes (${watch.seconds.join(', ')})`,
    ...[...faults.counts].sort().map(([name, count]) => line(name, count)),
    'found',
    ...findings.map(
      ({ name, count, examples }) => line(name, count) + examples.map((one) => `\n          ${one}`).join(''),
    ),
    `chaos seed ${seed}: ${wrong === 0 ? 'held' : 'BROKEN'}, ${wrong} wrong; ${struck} faults, ` +
      `${of('certificates')} certificates, ${of('renewals')} renewals, ${of('places with a certificate')} places, ` +
      `${of('mails')} mails, ${of('notices repeated because their outcome was unknown')} repeated; ${watch.total}`,
  ].join('\n');
}

describe.skipIf(!redisIsInstalled() || !timeCanBeMoved())('a program around which everything fails', () => {
  let stage: Stage | undefined;
  afterEach(async () => {
    await stage?.close();
  });

  it(
    'loses no certificate, key, renewal, delivery or notice, and does nothing twice',
    { timeout: 300_000 + minutes * 2_400_000 },
    async () => {
      const watch = new Stopwatch();
      const random = seeded(seed);
      stage = await watch.time('start', Stage.open(seed));
      await furnish(stage);
      const population = new Population(stage, random);
      population.plan(Math.ceil(certificates / 2));
      await watch.time('requests', population.ask());
      population.plan(Math.floor(certificates / 2));
      const faults = new Faults(stage, population, random);
      const end = performance.now() + minutes * 60_000;
      await watch.time('faults', Promise.all([faults.strike(end), population.ask()]));
      await watch.time('settling', settle(stage, population, 240_000 + minutes * 960_000));
      const findings = await watch.time('checks', judge(stage, population, faults));
      console.info(report(faults, findings, watch));
      const renewals = findings.find(({ name }) => name === 'renewals');
      expect(renewals?.count, 'a run without renewals proves nothing').toBeGreaterThan(0);
      expect(findings.filter(({ mustBeNone, count }) => mustBeNone && count > 0).map(({ name }) => name)).toEqual([]);
    },
  );
});
