import { setTimeout as sleep } from 'node:timers/promises';
import { linesOf } from './finding.js';
import { twins } from './invariants.js';
import type { Population } from './population.js';
import type { Stage } from './stage.js';

const hourS = 3_600;
const dayS = 24 * hourS;
/** Certificates renew twelve days before their end; what is left after a step forward is time enough to renew. */
const longestStepS = 7 * dayS;
const sparedS = 2 * dayS;
/** The program notices a step within two seconds. It need not bear several in one lease. */
const betweenStepsMs = 5_000;
/** At once, so that a short run has renewals, too. */
const firstStepS = 18 * dayS;
/** A line that is not renewed within this time holds up the clock for good: the run then ends, and is judged. */
const stallMs = 180_000;
/** Longer than workers that were killed take to start, to notice that the clock was set back, and to follow it. */
const followingMs = 180_000;

/** Something that goes wrong, and is put right again after a while. */
interface Fault {
  readonly name: string;
  /** What it strikes; no two faults strike the same at once. */
  readonly subjects: readonly string[];
  readonly begin: () => Promise<unknown> | void;
  readonly end?: () => Promise<unknown> | void;
  /** In milliseconds, the longest. */
  readonly lastsMs: number;
}

/** The faults of a run: each at a random moment, some at the same time. */
export class Faults {
  /** How often each has struck. */
  readonly counts = new Map<string, number>();
  /** Examples of what waits for longer than it may, after the clock was set back. */
  readonly longWaits: string[] = [];
  private readonly struck = new Map<string, Promise<void>>();
  private readonly all: readonly Fault[];
  private steppedAtMs = 0;
  private behindS = 0;
  private heldSinceMs: number | null = null;
  stalled = false;

  constructor(
    private readonly stage: Stage,
    private readonly population: Population,
    private readonly random: () => number,
  ) {
    this.all = [deathWhileAsking(stage, population), ...processes(stage), ...stores(stage), ...outside(stage)];
  }

  /** Strikes until the time is over. Resolves when everything has been put right again. */
  async strike(untilMs: number): Promise<void> {
    this.one(this.all[0]);
    this.stage.time.move(firstStepS);
    while (performance.now() < untilMs && !this.stalled) {
      await sleep(100 + this.random() * 1_200);
      await this.population.decide();
      const choice = this.random();
      if (choice < 0.35 && (await this.step())) continue;
      if (choice > 0.9) await this.meddle();
      else this.one(this.all[Math.floor(this.random() * this.all.length)]);
      if ((await twins(this.stage)).length > 0) break;
    }
    await Promise.all(this.struck.values());
    // The clock ends up right, as those who run it see to.
    if (this.behindS > 0) this.stage.time.move(this.behindS);
  }

  private one(fault: Fault | undefined): void {
    const lasts = this.random();
    if (!fault || fault.subjects.some((subject) => this.struck.has(subject))) return;
    this.note(fault.name);
    const course = async (): Promise<void> => {
      await fault.begin();
      await sleep(lasts * fault.lastsMs);
      await fault.end?.();
      for (const subject of fault.subjects) this.struck.delete(subject);
    };
    const ended = course();
    for (const subject of fault.subjects) this.struck.set(subject, ended);
  }

  private async meddle(): Promise<void> {
    this.note(await this.population.meddle());
  }

  /** Moves the clock forward by days, or back by hours. False when it must wait for renewals. */
  private async step(): Promise<boolean> {
    if (performance.now() - this.steppedAtMs < betweenStepsMs) return false;
    if (this.behindS > 0) await this.noteLongWaits();
    const back = this.behindS === 0 && this.random() < 0.25;
    const seconds = back
      ? -Math.round((1 + this.random() * 4) * hourS)
      : this.behindS + Math.round(this.random() * longestStepS);
    if (!back && !(await this.spares(seconds))) return this.hold();
    this.heldSinceMs = null;
    this.behindS = back ? -seconds : 0;
    this.note(back ? 'clock back by hours' : 'clock forward by days');
    this.stage.time.move(seconds);
    this.steppedAtMs = performance.now();
    return true;
  }

  /** Whether every certificate that renews, and has not yet, has time left after this step. */
  private async spares(seconds: number): Promise<boolean> {
    const [first] = await this.stage.database.query<{ left: number | null }>(
      `select extract(epoch from min(c.not_after) - now())::float8 as left from certificate c
       where c.state = 'issued' and c.rotation and not exists (
         select from certificate n where n.renews_id = c.id and n.state in ('issued', 'superseded', 'revoked'))`,
    );
    return (first?.left ?? Infinity) > seconds + sparedS;
  }

  /** Waits until the program has followed the clock, which was set back, and notes what has not followed with it. */
  private async noteLongWaits(): Promise<void> {
    for (const end = performance.now() + followingMs; performance.now() < end; await sleep(500)) {
      if (!(await hasFollowed(this.stage))) continue;
      this.longWaits.push(...linesOf(await longWaits(this.stage)));
      return;
    }
    this.longWaits.push('nobody has followed the clock');
  }

  private hold(): false {
    this.heldSinceMs ??= performance.now();
    this.stalled = performance.now() - this.heldSinceMs > stallMs;
    return false;
  }

  private note(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }
}

/** Whether the step back was noticed, and what was stored late has followed it, too. */
async function hasFollowed({ database }: Stage): Promise<boolean> {
  const [watch] = await database.query<{ followed: boolean }>(
    `select not exists (select from clock_step_back)
       and abs(extract(epoch from clock_timestamp() - seen_at)) < 5 as followed from clock_watch`,
  );
  return watch?.followed === true;
}

/** What waits for longer than its attempts allow: a fifth more than 15 s, doubled with each; at least for its net. */
function longWaits({ database }: Stage): Promise<object[]> {
  const beyond = (attempts: string): string =>
    `now() + greatest(1.3 * least(15 * power(2, least(${attempts}, 20)), 21600), 900) * interval '1 second'`;
  return database.query<object>(`
    select 'delivery' as what, id, attempts, next_attempt_at - now() as waits from delivery
      where state in ('planned', 'failing', 'removing', 'leaving') and next_attempt_at > ${beyond('attempts')}
    union all select 'notice', id, attempts, next_attempt_at - now() from notice
      where state = 'due' and hold is null and next_attempt_at > ${beyond('attempts')}
    union all select 'renewal', id, renewal_attempts, next_renewal_at - now() from certificate
      where state = 'issued' and renewal_attempts > 0 and next_renewal_at > ${beyond('renewal_attempts')}
        and next_renewal_at > not_after - interval '12 days'
    union all select 'withdrawal', id, attempts, next_attempt_at - now() from withdrawal
      where state = 'due' and next_attempt_at > ${beyond('attempts')}`);
}

/** The CA has an order, and nobody here hears of it. */
function deathWhileAsking({ ca, slots }: Stage, population: Population): Fault {
  const workers = slots.slice(1);
  return {
    name: 'Both workers are killed while the CA answers an order',
    subjects: ['outside 1', 'process 1', 'process 2'],
    begin: async () => {
      const asked = ca.call<boolean>('keepAnswers');
      const renewed = population.renewElsewhere();
      await asked;
      await Promise.all([renewed, ...workers.map((slot) => slot.kill())]);
    },
    end: () => Promise.all(workers.map((slot) => slot.start())),
    lastsMs: 4_000,
  };
}

function processes({ slots }: Stage): Fault[] {
  return slots.map((slot, at) => ({
    name: `kill -9 of ${at === 0 ? 'the API process' : 'a worker'}`,
    subjects: [`process ${at}`],
    begin: () => slot.kill(),
    end: () => slot.start(),
    lastsMs: 8_000,
  }));
}

function stores({ database, redis }: Stage): Fault[] {
  return [
    {
      name: 'PostgreSQL crashes',
      subjects: ['postgres'],
      begin: () => database.crash(),
      end: () => database.start(),
      lastsMs: 3_000,
    },
    { name: 'Redis is flushed', subjects: ['redis'], begin: () => redis.flush(), lastsMs: 0 },
    {
      name: 'Redis stops',
      subjects: ['redis'],
      begin: () => redis.stop(),
      end: () => redis.start(),
      lastsMs: 8_000,
    },
    {
      name: 'Redis hangs',
      subjects: ['redis'],
      begin: () => redis.freeze(),
      end: () => redis.thaw(),
      lastsMs: 8_000,
    },
  ];
}

function outside({ mail, ca, vaults }: Stage): Fault[] {
  const hanging = [mail, ca, ...vaults].map((remote, at) => ({
    name: ['The mail server hangs', 'The CA hangs', 'A destination hangs'][Math.min(at, 2)] ?? '',
    subjects: [`outside ${at}`],
    begin: () => remote.freeze(),
    end: () => remote.thaw(),
    // Longer than the program waits for an answer, which so comes too late.
    lastsMs: 14_000,
  }));
  const places = vaults.flatMap((vault, at) => [
    { name: 'A destination fails', subjects: [`outside ${at + 2}`], begin: () => vault.call('busy', 20), lastsMs: 0 },
    {
      name: 'A destination loses answers',
      subjects: [`outside ${at + 2}`],
      begin: () => vault.call('lose', 10),
      lastsMs: 0,
    },
  ]);
  return [
    ...hanging,
    ...places,
    {
      name: 'The CA is late and loses answers',
      subjects: ['outside 1'],
      begin: () => ca.call('trouble', true),
      end: () => ca.call('trouble', false),
      lastsMs: 12_000,
    },
    {
      name: 'The CA lies',
      subjects: ['outside 1'],
      begin: () => ca.call('lie', true),
      end: () => ca.call('lie', false),
      lastsMs: 12_000,
    },
    {
      name: 'The mail server refuses',
      subjects: ['outside 0'],
      begin: () => mail.call('refuse', true),
      end: () => mail.call('refuse', false),
      lastsMs: 8_000,
    },
    {
      name: 'The mail server dies after it has taken a mail',
      subjects: ['outside 0'],
      begin: () => mail.call('dieOnNext'),
      end: async () => {
        await mail.kill();
        await mail.start();
      },
      lastsMs: 8_000,
    },
  ];
}
