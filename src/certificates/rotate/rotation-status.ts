import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { Readiness } from '../../platform/health/readiness.js';
import { instant } from '../../platform/http/instant.js';
import { Metrics } from '../../platform/metrics.js';
import { type NamedPause, PauseRepository } from '../../rotation/pause.repository.js';
import { WaitingRepository } from './waiting.repository.js';

const mostNamed = 3;

/** Shows in `/health/ready` and `/metrics` what holds renewals. */
@Injectable()
export class RotationStatus {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly pauses: PauseRepository,
    waiting: WaitingRepository,
    readiness: Readiness,
    metrics: Metrics,
  ) {
    readiness.warn('rotation-pauses', () => this.warning());
    metrics.gauge({ name: 'rotation_pauses', help: 'Pauses of renewals that are in force.' }, async (gauge) => {
      const inForce = await this.inForce().catch(() => null);
      if (inForce) gauge.set(inForce.length);
    });
    metrics.gauge(
      { name: 'renewals_waiting', help: 'Renewals that are due and wait for a limit or a pause.', labels: ['for'] },
      async (gauge) => {
        const counts = await waiting.count(this.db.single).catch(() => null);
        for (const [kind, count] of Object.entries(counts ?? {})) gauge.set({ for: kind }, count);
      },
    );
  }

  /** A pause of one certificate concerns nobody but its owner. */
  private async warning(): Promise<string | null> {
    const pauses = (await this.inForce()).filter(({ scope }) => scope !== 'certificate');
    if (pauses.length === 0) return null;
    const named = pauses.slice(0, mostNamed).map(wordsOfPause).join('; ');
    const more = pauses.length > mostNamed ? `; and ${pauses.length - mostNamed} more` : '';
    return `Renewals are paused: ${named}${more}. See GET /rotation/pauses?active=true.`;
  }

  private inForce(): Promise<NamedPause[]> {
    return this.pauses.inForce(this.db.single, this.clock.now());
  }
}

/** For messages: `of authority "R3" since 2026-01-01T00:00:00Z by ada (migration)`. */
export function wordsOfPause({ scope, targetName, since, until, username, reason }: NamedPause): string {
  const target = scope === 'all' ? 'all' : `of ${scope} "${targetName ?? ''}"`;
  const end = until === null ? '' : ` until ${instant(until)}`;
  return `${target} since ${instant(since)}${end} by ${username} (${reason})`;
}
