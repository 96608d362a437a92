import { Injectable, Logger } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import type { Problem } from '../../platform/http/problem.js';
import { problemOf } from '../../platform/http/problem-of.js';
import type { RevokeRequest } from '../revoke/revoke.schema.js';
import { RevokeService } from '../revoke/revoke.service.js';
import { RevocationRunRepository } from './revocation-run.repository.js';
import type { Refusal, RunCheck } from './revocation-run.schema.js';

const concurrency = 8;
/** Certificates that are not checked in this time are counted as unchecked. */
const timeLimitMs = 30_000;
const mostShown = 20;

/** Checks for a dry run what would become of each certificate, and changes nothing. */
@Injectable()
export class RunChecks {
  private readonly logger = new Logger('revocation-run');

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly runs: RevocationRunRepository,
    private readonly revocation: RevokeService,
  ) {}

  async check(actor: Actor, ids: readonly number[], request: RevokeRequest): Promise<RunCheck> {
    const revoked = await this.runs.endedOf(this.db.single, ids);
    const others = ids.filter((id) => !revoked.has(id));
    const until = this.clock.now().getTime() + timeLimitMs;
    const refused = new Map<string, Refusal>();
    let checked = 0;
    let revocable = 0;
    while (checked < others.length && this.clock.now().getTime() < until) {
      const some = others.slice(checked, checked + concurrency);
      const problems = await Promise.all(some.map((id) => this.problemWith(actor, id, request)));
      for (const [at, problem] of problems.entries())
        if (problem === null) revocable += 1;
        else note(refused, problem, some[at] ?? 0);
      checked += some.length;
    }
    const unchecked = others.length - checked;
    return { selected: ids.length, revocable, alreadyRevoked: revoked.size, unchecked, refused: [...refused.values()] };
  }

  private async problemWith(actor: Actor, id: number, request: RevokeRequest): Promise<Problem | null> {
    try {
      await this.revocation.prepare(actor, id, request);
      return null;
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code === 'internal') this.logger.error(error);
      return problem;
    }
  }
}

function note(refused: Map<string, Refusal>, { code, detail }: Problem, id: number): void {
  const known = refused.get(code) ?? { code, detail, count: 0, ids: [] };
  known.count += 1;
  if (known.ids.length < mostShown) known.ids.push(id);
  refused.set(code, known);
}
