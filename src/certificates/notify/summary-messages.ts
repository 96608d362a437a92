import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database } from '../../platform/db/database.js';
import { CertificateSubscriptionRepository } from './certificate-subscription.repository.js';
import { type MessageText, writeNotice } from './notice-messages.js';

const soonMs = 30 * 86_400_000;
/** Certificates that a summary lists. */
const mostListed = 50;

/** Writes the weekly summary of a subscription, from the facts at the time of sending. */
@Injectable()
export class SummaryMessages {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly certificates: CertificateSubscriptionRepository,
  ) {}

  async write(subscriptionId: number): Promise<MessageText> {
    const now = this.clock.now();
    const bounds = { now, soon: new Date(now.getTime() + soonMs), most: mostListed };
    const summary = await this.certificates.summary(this.db.single, subscriptionId, bounds);
    return writeNotice('summary.weekly', { publicUrl: this.config.publicUrl, now, ...summary });
  }
}
