import { Injectable } from '@nestjs/common';
import type { NotificationMessage } from '../../plugin-api/notification.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database } from '../../platform/db/database.js';
import { RunRepository } from '../runs/run.repository.js';
import { CertificateSubscriptionRepository } from './certificate-subscription.repository.js';
import type { GeneralEvent, Notice } from './notice.entity.js';
import { type MessageText, writeNotice } from './notice-messages.js';

const soonMs = 30 * 86_400_000;
/** Certificates that a summary lists. */
const mostListed = 50;

type GeneralMessage = MessageText & Pick<NotificationMessage, 'recipients'>;
type About = Pick<Notice, 'subscriptionId' | 'data'>;

/**
 * Writes the messages about no single certificate or authority, from the facts at the time of sending: the weekly
 * summary of a subscription, and a run that the program paused.
 */
@Injectable()
export class GeneralMessages {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly certificates: CertificateSubscriptionRepository,
    private readonly runs: RunRepository,
  ) {}

  /** Null when the event is over: the run goes on again, or has ended; and when there is nobody to tell any more. */
  write(event: GeneralEvent, notice: About): Promise<GeneralMessage | null> {
    return event === 'run.paused' ? this.pausedRun(notice) : this.summary(notice.subscriptionId);
  }

  /** `subscriptionId`: null for the security team. */
  private async summary(subscriptionId: number | null): Promise<GeneralMessage | null> {
    const { securityTeamEmail: team = [], weeklySummary } = this.config;
    if (subscriptionId === null && (team.length === 0 || !weeklySummary)) return null;
    const now = this.clock.now();
    const bounds = { now, soon: new Date(now.getTime() + soonMs), most: mostListed };
    const summary = await this.certificates.summary(this.db.single, subscriptionId, bounds);
    const message = writeNotice('summary.weekly', { ...this.setting(), ...summary });
    return { ...message, recipients: subscriptionId === null ? [...team] : [] };
  }

  private async pausedRun({ subscriptionId, data }: About): Promise<GeneralMessage | null> {
    const run = await this.runs.find(this.db.single, null, Number(data.runId));
    if (run?.state !== 'paused' || run.faultDetail === null) return null;
    const { id, kind, creatorName: creator, waiting, done, faultDetail: reason } = run;
    const shown = { id, kind, path: `/${kind}s/${id}`, creator, waiting, done };
    const team = [...(await this.runs.peopleOf(this.db.single, id)), ...(this.config.securityTeamEmail ?? [])];
    return {
      ...writeNotice('run.paused', { ...this.setting(), run: shown, reason }),
      recipients: subscriptionId === null ? [...new Set(team)] : [],
    };
  }

  private setting(): { publicUrl: string; now: Date } {
    return { publicUrl: this.config.publicUrl, now: this.clock.now() };
  }
}
