import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { createTransport } from 'nodemailer';
import type { OutgoingMail } from '../../plugin-api/site.js';
import { Config } from '../config.js';
import { Database } from '../db/database.js';
import { MailRepository } from './mail.repository.js';
import { partialFailure, smtpFailure } from './smtp-error.js';

/**
 * Hands mails to the server of SMTP_URL over a few kept connections, or keeps them in the database when there is none.
 */
@Injectable()
export class Mailer {
  private readonly transport: ReturnType<typeof createPool> | null;

  constructor(
    private readonly config: Config,
    private readonly db: Database,
    private readonly mails: MailRepository,
  ) {
    this.transport = config.smtpUrl === undefined ? null : createPool(config.smtpUrl);
  }

  /** One message to all recipients. Throws PluginError, also when only some of them were refused. */
  async send(mail: OutgoingMail): Promise<void> {
    if (!this.transport) return this.mails.keep(this.db.single, mail);
    const { to, subject, text, html, dedupeKey } = mail;
    const message = {
      from: this.config.mailFrom,
      to: [...to],
      subject,
      text,
      html,
      messageId: this.messageId(dedupeKey),
      headers: {
        // RFC 3834 §5: nobody's holiday notice answers it.
        'auto-submitted': 'auto-generated',
        // RFC 2919: one rule of a mail program can file all of them.
        'list-id': `Perennial <perennial.${this.host()}>`,
      },
    };
    const { accepted, rejected, rejectedErrors } = await this.transport.sendMail(message).catch((error: unknown) => {
      throw smtpFailure(error);
    });
    if (rejected.length > 0)
      throw partialFailure({ told: accepted.map(String), rejected: rejected.map(String) }, rejectedErrors ?? []);
  }

  /** Connects and authenticates without sending; false when mails are kept here. Throws PluginError. */
  async greet(): Promise<boolean> {
    if (!this.transport) return false;
    await this.transport.verify().catch((error: unknown) => {
      throw smtpFailure(error);
    });
    return true;
  }

  onApplicationShutdown(): void {
    this.transport?.close();
  }

  /** RFC 5322 §3.6.4. The same for every attempt, so that servers and readers see that it is one mail. */
  private messageId(dedupeKey: string): string {
    return `<${createHash('sha256').update(dedupeKey).digest('hex').slice(0, 40)}@${this.host()}>`;
  }

  /** Of the sender's address. */
  private host(): string {
    return /@([^\s<>@]+)>?\s*$/.exec(this.config.mailFrom)?.[1] ?? 'localhost';
  }
}

function createPool(url: string) {
  return createTransport({
    url,
    pool: true,
    maxConnections: 2,
    // The caller retries: it can wait longer, and its attempts are visible.
    maxRequeues: 0,
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 30_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}
