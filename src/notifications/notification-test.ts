import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { PluginError } from '../plugin-api/errors.js';
import { type Letter, renderLetter } from './letter.js';
import { NotificationRepository } from './notification.repository.js';
import type { TestView } from './notification.schema.js';
import { demandChange } from './notification.service.js';
import { Senders } from './senders.js';

const timeoutMs = 15_000;

/** Sends through a notification what is no warning, so that people see whether one would arrive. */
@Injectable()
export class NotificationTest {
  constructor(
    private readonly db: Database,
    private readonly audit: Audit,
    private readonly repository: NotificationRepository,
    private readonly senders: Senders,
  ) {}

  /** What the plugin made of it. Throws Problem `not-found` or `forbidden`. */
  async send(actor: Actor, id: number): Promise<TestView> {
    const row = await this.repository.get(this.db.single, id);
    demandChange(actor, row);
    await this.db.write((tx) => this.audit.record(tx, actor, { action: 'notification.tested', targetType: 'notification', targetId: id }));
    try {
      await this.senders.send(row, {
        event: 'notification.test', ...renderLetter(letter(row.label, actor)), data: { notification: row.label, requestedBy: actor.username }, recipients: [],
        dedupeKey: `notification.test:${id}:${randomUUID()}`,
      }, AbortSignal.timeout(timeoutMs));
      return { ok: true, fault: null, detail: null };
    } catch (error) {
      if (!(error instanceof PluginError)) throw error;
      return { ok: false, fault: error.fault, detail: error.detail };
    }
  }
}

function letter(label: string, { username }: Actor): Letter {
  return {
    subject: `Test of ${label}`, heading: 'This is a test',
    paragraphs: [`${username} wanted to see whether warnings of the notification ${label} arrive. They do; nothing need be done.`], cards: [],
  };
}
