import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Periodic } from '../../jobs/periodic.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { DueRepository } from '../due.repository.js';
import { Coverage } from './coverage.js';
import { dueWarnings, nextWarningAt, warnAt } from './due-warnings.js';
import { isListEvent, type Notice } from './notice.entity.js';
import { NoticeRepository } from './notice.repository.js';
import { sendNotices } from './notify.jobs.js';
import { type Watched, WatchRepository } from './watch.repository.js';

/** What could not be finished comes up again after this time. */
const againMs = 10 * 60_000;

/** What the sweep reads and writes, together. */
@Injectable()
export class NotifyRepositories {
  constructor(
    readonly due: DueRepository,
    readonly notices: NoticeRepository,
    readonly watches: WatchRepository,
    readonly coverage: Coverage,
  ) {}
}

/** Finds what nears its end and has not been warned about, and notices that have not been sent. */
@Injectable()
export class ExpirySweep implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly repositories: NotifyRepositories,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('expiry-notices', this.config.sweepIntervalS, (signal) => this.run(signal));
  }

  /** One look; repeated at once while there is more than one batch and nobody stops it. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (await this.db.write((tx) => this.warn(tx))) === 200);
    while (!signal.aborted && (await this.db.write((tx) => this.resend(tx))) === 200);
  }

  private async warn(tx: Tx): Promise<number> {
    const { due, notices, watches, coverage } = this.repositories;
    const now = this.clock.now();
    const taken = await due.takeDue(tx, 'nextNoticeAt', now, new Date(now.getTime() + againMs));
    const ids = taken.map(({ id }) => id);
    if (ids.length === 0) return 0;
    // One may have come to a notification just as that was switched off.
    const watched = await coverage.covered(tx, await watches.of(tx, ids));
    const fresh = watched.flatMap((w) => dueWarnings(w, now));
    const made = await notices.add(tx, fresh, now);
    await this.send(tx, await notices.getMany(tx, made), watched);
    await watches.planNext(
      tx,
      watched.map((w) => ({
        id: w.id,
        at: nextWarningAt({ ...w, leads: w.leads.filter((lead) => warnAt(w, lead.leadS) > now) }),
      })),
    );
    return ids.length;
  }

  private async resend(tx: Tx): Promise<number> {
    const now = this.clock.now();
    const due = await this.repositories.notices.takeDue(tx, now, new Date(now.getTime() + againMs));
    if (due.length > 0)
      await this.send(
        tx,
        due,
        await this.repositories.watches.of(
          tx,
          due.flatMap((n) => n.certificateId ?? []),
        ),
      );
    return due.length;
  }

  /**
   * One message for all expiring certificates of an owner that go the same way to the same people, and for all
   * certificates of one list event and subscription; one for every other notice.
   */
  private async send(tx: Tx, notices: readonly Notice[], watched: readonly Watched[]): Promise<void> {
    const ways = new Map(
      watched.flatMap((w) => w.leads.map((lead) => [`${w.id}:${lead.id}`, `${lead.channel}:${w.owner}`])),
    );
    const groups = new Map<string, number[]>();
    for (const notice of notices) {
      const key = wayOf(notice, ways) ?? `notice:${notice.id}`;
      groups.set(key, [...(groups.get(key) ?? []), notice.id]);
    }
    await sendNotices.enqueueMany(
      tx,
      [...groups.values()].map((noticeIds) => ({ data: { noticeIds } })),
    );
  }
}

function wayOf(
  { event, certificateId, subscriptionId }: Notice,
  ways: ReadonlyMap<string, string>,
): string | undefined {
  if (event === 'certificate.expiring') return ways.get(`${certificateId ?? ''}:${subscriptionId ?? ''}`);
  return isListEvent(event) ? `${event}:${subscriptionId ?? ''}` : undefined;
}
