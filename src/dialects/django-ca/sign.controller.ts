import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { CertificateRepository } from '../../certificates/certificate.repository.js';
import { IssueService } from '../../certificates/issue/issue.service.js';
import { Config } from '../../platform/config.js';
import { Database } from '../../platform/db/database.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { HeaderText, JsonBody, PathText } from '../../platform/http/contract.js';
import { demandIdempotencyKey, idempotencyKeyHelp } from '../../platform/http/idempotency-key.js';
import { Problem } from '../../platform/http/problem.js';
import { AuthoritiesBySerial } from './authorities-by-serial.js';
import { djangoCaPath } from './django-ca.surfaces.js';
import { type OrderView, orderView } from './order.view.js';
import { Resigning } from './resigning.js';
import { signCommand } from './sign-command.js';
import { ResignBody, SignBody } from './sign.schema.js';

/** Orders of certificates. */
@Controller(`${djangoCaPath}/ca/:serial`)
@ApiExcludeController()
export class SignController {
  constructor(
    private readonly db: Database,
    private readonly config: Config,
    private readonly authorities: AuthoritiesBySerial,
    private readonly certificates: CertificateRepository,
    private readonly issue: IssueService,
    private readonly resigning: Resigning,
  ) {}

  /** Answers at once; the order is `pending` where the CA is elsewhere. */
  @Post('sign')
  @HttpCode(200)
  @Requires('certificate:issue')
  async sign(
    @Who() actor: Actor,
    @PathText('serial') serial: string,
    @JsonBody(SignBody) body: SignBody,
    @HeaderText('Idempotency-Key', idempotencyKeyHelp) key: string | undefined,
  ): Promise<OrderView> {
    const authority = await this.authorities.getUsable(actor, serial);
    const asking = { actor, authority, defaults: this.config, idempotencyKey: demandIdempotencyKey(key) };
    const { id } = await this.issue.issue(await signCommand(asking, body));
    return this.order(actor, id);
  }

  @Post('certs/:certificate/resign')
  @HttpCode(200)
  @Requires('certificate:issue')
  async resign(
    @Who() actor: Actor,
    @PathText('serial') serial: string,
    @PathText('certificate') certificateSerial: string,
    @JsonBody(ResignBody) body: ResignBody,
    @HeaderText('Idempotency-Key', idempotencyKeyHelp) key: string | undefined,
  ): Promise<OrderView> {
    const authority = await this.authorities.getUsable(actor, serial);
    const asking = { actor, authority, defaults: this.config, idempotencyKey: demandIdempotencyKey(key) };
    const { id } = await this.issue.issue(await this.resigning.command(asking, certificateSerial, body));
    return this.order(actor, id);
  }

  @Get('orders/:slug')
  @Requires('certificate:issue')
  async follow(
    @Who() actor: Actor,
    @PathText('serial') serial: string,
    @PathText('slug') slug: string,
  ): Promise<OrderView> {
    const authority = await this.authorities.get(actor, serial);
    const id = /^[1-9]\d{0,8}$/.test(slug) ? Number(slug) : 0;
    const certificate = await this.certificates.find(this.db.single, id);
    const isOwn = certificate?.creatorId === actor.userId && certificate.authorityId === authority.id;
    if (certificate && isOwn && certificate.deletedAt === null) return orderView(certificate, actor.username);
    throw new Problem('not-found', `There is no order ${slug}.`);
  }

  private async order(actor: Actor, id: number): Promise<OrderView> {
    return orderView(await this.certificates.get(this.db.single, id), actor.username);
  }
}
