import { Controller, Get } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '../db/database.js';
import { Requires } from '../http/actor.js';
import { Answers, Id, QueryOf, Summary } from '../http/contract.js';
import { instant, InstantOut } from '../http/instant.js';
import { listQuery, type Page, pageOf } from '../http/page.js';
import type { Mail } from './mail.entity.js';
import { MailRepository } from './mail.repository.js';

const MailQuery = listQuery('id');
const MailView = z
  .object({
    id: z.int(),
    to: z.array(z.string()),
    subject: z.string(),
    text: z.string(),
    html: z.string().nullable(),
    dateCreated: InstantOut,
  })
  .meta({ id: 'Mail' });
type MailView = z.output<typeof MailView>;

function mailView({ id, recipients, subject, text, html, createdAt }: Mail): MailView {
  return { id, to: [...recipients], subject, text, html, dateCreated: instant(createdAt) };
}

/** The mails that were kept because no mail server is configured. */
@Controller('mails')
export class MailsController {
  constructor(
    private readonly db: Database,
    private readonly mails: MailRepository,
  ) {}

  @Get()
  @Requires('mail:read')
  @Summary('List the mails that were kept here', 'Without SMTP_URL no mail is sent; newest first.')
  @Answers(200, pageOf(MailView))
  async list(@QueryOf(MailQuery) query: z.output<typeof MailQuery>): Promise<Page<MailView>> {
    const page = await this.mails.list(this.db.single, query);
    return { ...page, items: page.items.map(mailView) };
  }

  @Get(':id')
  @Requires('mail:read')
  @Summary('One mail that was kept here')
  @Answers(200, MailView)
  async get(@Id() id: number): Promise<MailView> {
    return mailView(await this.mails.get(this.db.single, id));
  }
}
