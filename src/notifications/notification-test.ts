import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { AttemptLimit } from '../auth/attempt-limit.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { PluginError } from '../plugin-api/errors.js';
import type { NotificationMessage } from '../plugin-api/notification.js';
import { mayWriteToAnyone } from '../roles/permission.js';
import { inSubject, type Letter, renderLetter } from './letter.js';
import { type Notification, NotificationRepository, pluginOf } from './notification.repository.js';
import type { TestView } from './notification.schema.js';
import { demandChange } from './notification.service.js';
import { Senders } from './senders.js';

const timeoutMs = 15_000;
const perUser = { attempts: 10, windowMs: 10 * 60_000, keys: 10_000 };

/**
 * Sends what is no warning, so that people see whether one would arrive: through the notification for those who run the
 * program, and to their own address for all others, or whoever can make notifications could write to anybody in our
 * name.
 */
@Injectable()
export class NotificationTest {
  private readonly sent = new AttemptLimit(perUser);

  constructor(
    private readonly clock: Clock,
    private readonly db: Database,
    private readonly audit: Audit,
    private readonly repository: NotificationRepository,
    private readonly senders: Senders,
  ) {}

  /**
   * What became of it. Throws Problem `not-found`, `forbidden`, and `too-many-requests` after ten in ten minutes of one
   * user.
   */
  async send(actor: Actor, id: number): Promise<TestView> {
    const row = await this.repository.get(this.db.single, id);
    demandChange(actor, row);
    const waitMs = this.sent.take(String(actor.userId), this.clock.now().getTime());
    if (waitMs > 0)
      throw new Problem('too-many-requests', 'Ten test messages in ten minutes are enough.', {
        retryAfterS: Math.ceil(waitMs / 1000),
      });
    await this.db.write((tx) =>
      this.audit.record(tx, actor, { action: 'notification.tested', targetType: 'notification', targetId: id }),
    );
    try {
      await this.attempt(actor, row);
      return { ok: true, fault: null, detail: null };
    } catch (error) {
      if (!(error instanceof PluginError)) throw error;
      return { ok: false, fault: error.fault, detail: error.detail };
    }
  }

  private attempt(actor: Actor, row: Notification): Promise<void> {
    const toSelf = !mayWriteToAnyone(actor);
    const message: NotificationMessage = {
      event: 'notification.test',
      ...renderLetter(letter(row.label, actor)),
      data: { notification: row.label, requestedBy: actor.username },
      recipients: toSelf ? [actor.email] : [],
      dedupeKey: `notification.test:${row.id}:${randomUUID()}`,
    };
    const signal = AbortSignal.timeout(timeoutMs);
    return toSelf ? this.senders.mail(message, signal) : this.senders.send(pluginOf(row), message, signal);
  }
}

function letter(label: string, { username }: Actor): Letter {
  return {
    subject: `Test of ${inSubject(label)}`,
    heading: 'This is a test',
    paragraphs: [
      `${username} wanted to see whether warnings of the notification ${label} arrive. They do; nothing need be done.`,
    ],
    cards: [],
  };
}
