import { Injectable } from '@nestjs/common';
import type { OutgoingMail } from '../../plugin-api/plugin.js';
import type { Tx } from '../db/database.js';
import { Problem } from '../http/problem.js';
import { Mail } from './mail.entity.js';

/** Every query on kept mails. */
@Injectable()
export class MailRepository {
  /** Keeps the mail unless one with its `dedupeKey` is there. */
  async keep(tx: Tx, { to, subject, text, html, dedupeKey }: OutgoingMail): Promise<void> {
    await tx.createQueryBuilder().insert().into(Mail).values({ recipients: [...to], subject, text, html: html ?? null, dedupeKey }).orIgnore().execute();
  }

  async get(tx: Tx, id: number): Promise<Mail> {
    const found = await tx.findOneBy(Mail, { id });
    if (!found) throw new Problem('not-found', `There is no mail ${id}.`);
    return found;
  }

  /** Newest first, and how many there are. */
  list(tx: Tx, page: { skip: number; take: number }): Promise<[Mail[], number]> {
    return tx.findAndCount(Mail, { ...page, order: { id: 'DESC' } });
  }
}
