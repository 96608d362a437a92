import { Injectable } from '@nestjs/common';
import type { OutgoingMail } from '../../plugin-api/site.js';
import type { Tx } from '../db/database.js';
import { whole, words } from '../db/list-filter.js';
import { type ListSource, listPage } from '../db/list-page.js';
import type { Page, PageQuery } from '../http/page.js';
import { Problem } from '../http/problem.js';
import { Mail } from './mail.entity.js';

const source: ListSource = {
  columns: 'id, recipients, subject, text, html, created_at as "createdAt"',
  from: 'mail',
  sorts: { id: { sql: 'id', type: 'int' } },
  filters: { id: whole('id'), to: words(`array_to_string(recipients, ' ')`), subject: words('subject') },
  order: { by: 'id', dir: 'desc' },
};

/** Every query on kept mails. */
@Injectable()
export class MailRepository {
  /** Keeps the mail unless one with its `dedupeKey` is there. */
  async keep(tx: Tx, { to, subject, text, html, dedupeKey }: OutgoingMail): Promise<void> {
    await tx
      .createQueryBuilder()
      .insert()
      .into(Mail)
      .values({ recipients: [...to], subject, text, html: html ?? null, dedupeKey })
      .orIgnore()
      .execute();
  }

  async get(tx: Tx, id: number): Promise<Mail> {
    const found = await tx.findOneBy(Mail, { id });
    if (!found) throw new Problem('not-found', `There is no mail ${id}.`);
    return found;
  }

  /** Newest first unless sorted otherwise. */
  list(tx: Tx, query: PageQuery): Promise<Page<Mail>> {
    return listPage(tx, source, query);
  }
}
