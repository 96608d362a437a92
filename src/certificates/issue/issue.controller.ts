import { Controller, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Config } from '../../platform/config.js';
import { type Actor, FromKept, Requires, Who } from '../../platform/http/actor.js';
import { Answers, HeaderText, JsonBody, Summary } from '../../platform/http/contract.js';
import { demandIdempotencyKey, idempotencyKeyHelp } from '../../platform/http/idempotency-key.js';
import { CertificateReader, statusOf } from '../list/certificate-reader.js';
import { CertificateView } from '../certificate.schema.js';
import { CertificateViews } from '../certificate.view.js';
import { commandOf } from './issue-command.js';
import { IssueRequest } from './issue.schema.js';
import { IssueService } from './issue.service.js';

/** POST /certificates: issues a certificate. Answers 202 while the issuer still works on it. */
@Controller('certificates')
export class IssueController {
  constructor(
    private readonly config: Config,
    private readonly issue: IssueService,
    private readonly reader: CertificateReader,
    private readonly views: CertificateViews,
  ) {}

  @Post()
  @Requires('certificate:issue')
  @FromKept()
  @Summary('Issue a certificate', '202: the issuer is still at work; ask again for the certificate.')
  @Answers(200, CertificateView)
  @Answers(202, CertificateView)
  async create(
    @Who() actor: Actor,
    @JsonBody(IssueRequest) body: IssueRequest,
    @HeaderText('Idempotency-Key', idempotencyKeyHelp) key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CertificateView> {
    const { id, row } = await this.issue.issue(await commandOf(actor, body, this.config, demandIdempotencyKey(key)));
    const view = row ? this.views.full(row) : await this.reader.settled(id);
    void reply.status(statusOf(view));
    return view;
  }
}
