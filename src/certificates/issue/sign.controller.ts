import { Controller, Get, HttpCode, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Config } from '../../platform/config.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, HeaderText, JsonBody, PathText, Summary } from '../../platform/http/contract.js';
import { Idempotent } from '../../platform/http/idempotent.js';
import { demandIdempotencyKey, idempotencyKeyHelp } from '../../platform/http/idempotency-key.js';
import type { Reference } from '../../platform/http/reference.js';
import { CertificateView } from '../certificate.schema.js';
import { CertificateReader, statusOf } from '../list/certificate-reader.js';
import { signCommandOf } from './issue-command.js';
import { IssueRequest, UnstoredRequest } from './issue.schema.js';
import { IssueService } from './issue.service.js';
import { OrderOfCertificate, Orders } from './orders.js';
import { UnstoredView } from './unstored.view.js';

/** Routes below an authority, which the path names by its id or name: sign a CSR, and follow the order. */
@Controller('authorities/:id')
export class SignController {
  constructor(
    private readonly config: Config,
    private readonly issue: IssueService,
    private readonly orders: Orders,
    private readonly reader: CertificateReader,
  ) {}

  @Post('sign')
  @Requires('certificate:issue')
  @Summary(
    'Sign a CSR',
    'As POST /certificates, but what the request says of the subject and the names takes the place of what the CSR ' +
      'says. The path has the id or the name of the authority. `Location` is the order.',
  )
  @Answers(200, CertificateView)
  @Answers(202, CertificateView)
  async sign(
    @Who() actor: Actor,
    @PathText('id') authority: string,
    @JsonBody(IssueRequest) body: IssueRequest,
    @HeaderText('Idempotency-Key', idempotencyKeyHelp) key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CertificateView> {
    const command = await signCommandOf(
      actor,
      { ...body, authority: refOf(authority) },
      this.config,
      demandIdempotencyKey(key),
    );
    const view = await this.reader.settled((await this.issue.issue(command)).id);
    void reply.header('location', `/api/1/authorities/${view.authority?.id}/orders/${view.id}`);
    void reply.status(statusOf(view));
    return view;
  }

  @Post('sign-unstored')
  @Requires('certificate:issue')
  @Idempotent()
  @Summary(
    'Sign a CSR and do not store the certificate',
    'For fleets whose certificates are used for hours: as `sign`, by a profile whose certificates are not stored, of ' +
      'an authority whose key is here. The audit log has the serial number, the names and the owner. Nothing ' +
      'revokes, renews or deploys the certificate, or warns before it expires.',
  )
  @Answers(200, UnstoredView)
  @HttpCode(200)
  async signUnstored(
    @Who() actor: Actor,
    @PathText('id') authority: string,
    @JsonBody(UnstoredRequest) body: UnstoredRequest,
  ): Promise<UnstoredView> {
    const command = await signCommandOf(actor, { ...body, authority: refOf(authority) }, this.config);
    return this.issue.signUnstored({ ...command, unstored: true });
  }

  @Get('orders/:order')
  @Requires('certificate:read')
  @Summary('How far an order is', 'Its creator sees it, and whoever may change its certificate.')
  @Answers(200, OrderOfCertificate)
  order(
    @Who() actor: Actor,
    @PathText('id') authority: string,
    @PathText('order') slug: string,
  ): Promise<OrderOfCertificate> {
    return this.orders.get(actor, refOf(authority), slug);
  }
}

/** A path part of digits is an id. */
function refOf(text: string): Reference {
  return /^[1-9]\d{0,9}$/.test(text) && Number(text) < 2 ** 31 ? { id: Number(text) } : { name: text };
}
