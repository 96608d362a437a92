import { Injectable, Logger } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import type { Problem } from '../../platform/http/problem.js';
import { problemOf } from '../../platform/http/problem-of.js';
import { obstacleOf, type Prepared, type RunKind } from './run-kind.js';
import type { Refusal } from './run.schema.js';

const concurrency = 8;
/** Certificates that are not checked in this time are counted as unchecked. */
const timeLimitMs = 30_000;
const mostShown = 20;

/** What would become of the certificates that a request selects. `held` are among `possible`. */
export interface RunCheck<E> {
  selected: number;
  possible: number;
  already: number;
  unchecked: number;
  held: Refusal[];
  refused: Refusal[];
  /** The first of those that are possible. */
  examples: E[];
}

/** Checks for a dry run what would become of each certificate, and changes nothing. */
@Injectable()
export class RunChecks {
  private readonly logger = new Logger('certificate-run');

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
  ) {}

  async check<W extends object, E>(
    kind: RunKind<W, E>,
    actor: Actor,
    ids: readonly number[],
    wishes: W,
  ): Promise<RunCheck<E>> {
    const settled = await kind.settled(this.db.single, ids, wishes);
    const others = ids.filter((id) => !settled.has(id));
    const until = this.clock.now().getTime() + timeLimitMs;
    const [refused, held] = [new Map<string, Refusal>(), new Map<string, Refusal>()];
    const examples: E[] = [];
    let [checked, possible] = [0, 0];
    while (checked < others.length && this.clock.now().getTime() < until) {
      const some = others.slice(checked, checked + concurrency);
      const found = await Promise.all(some.map((id) => this.look(kind, actor, id, wishes)));
      for (const [at, { problem, prepared }] of found.entries()) {
        const id = some[at] ?? 0;
        if (problem) note(refused, { code: obstacleOf(problem), detail: problem.detail }, id);
        if (!prepared) continue;
        possible += 1;
        if (prepared.hold) note(held, prepared.hold, id);
        if (examples.length < mostShown) examples.push(prepared.example);
      }
      checked += some.length;
    }
    return {
      selected: ids.length,
      possible,
      already: settled.size,
      unchecked: others.length - checked,
      held: [...held.values()],
      refused: [...refused.values()],
      examples,
    };
  }

  private async look<W extends object, E>(
    kind: RunKind<W, E>,
    actor: Actor,
    id: number,
    wishes: W,
  ): Promise<{ problem?: Problem; prepared?: Prepared<E> }> {
    try {
      return { prepared: await kind.prepare(actor, id, wishes) };
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code === 'internal') this.logger.error(error);
      return { problem };
    }
  }
}

function note(found: Map<string, Refusal>, { code, detail }: { code: string; detail: string }, id: number): void {
  const known = found.get(code) ?? { code, detail, count: 0, ids: [] };
  known.count += 1;
  if (known.ids.length < mostShown) known.ids.push(id);
  found.set(code, known);
}
