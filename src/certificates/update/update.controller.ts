import { Controller, Post, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../../platform/http/contract.js';
import { CertificateView } from '../certificate.schema.js';
import { CertificateReader } from '../list/certificate-reader.js';
import { AcceptService } from './accept.service.js';
import { DescriptionRequest, NotifyRequest, OwnerRequest, SwitchesRequest, UpdateRequest } from './update.schema.js';
import { UpdateService } from './update.service.js';

/** Routes that change the owner, the settings and the links of a certificate. */
@Controller('certificates')
export class UpdateController {
  constructor(
    private readonly updates: UpdateService,
    private readonly acceptance: AcceptService,
    private readonly reader: CertificateReader,
  ) {}

  @Put(':id')
  @Requires('certificate:update')
  @Summary(
    'Change how a certificate is looked after',
    'Owner, notices, rotation, destinations, roles. A destination that is no longer ' +
      'named loses the certificate; its delivery shows how far that is.',
  )
  @Answers(200, CertificateView)
  update(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(UpdateRequest) body: UpdateRequest,
  ): Promise<CertificateView> {
    return this.change(actor, id, body, 'whole');
  }

  @Post(':id')
  @Requires('certificate:update')
  @Summary('Switch notices on or off', 'All members but `notify` are ignored.')
  @Answers(200, CertificateView)
  notices(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(NotifyRequest) { notify }: NotifyRequest,
  ): Promise<CertificateView> {
    return this.change(actor, id, { notify });
  }

  @Post(':id/update/switches')
  @Requires('certificate:update')
  @Summary('Switch notices and rotation on or off')
  @Answers(200, CertificateView)
  switches(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(SwitchesRequest) body: SwitchesRequest,
  ): Promise<CertificateView> {
    return this.change(actor, id, body);
  }

  @Post(':id/update/owner')
  @Requires('certificate:update')
  @Summary(
    'Give a certificate to another owner',
    "The former owner's role and default notifications make room for the new owner's. Unless you hold the new " +
      "owner's role, it goes on renewing by the rights that it had, and the new owner is asked by mail to accept it.",
  )
  @Answers(200, CertificateView)
  owner(@Who() actor: Actor, @Id() id: number, @JsonBody(OwnerRequest) body: OwnerRequest): Promise<CertificateView> {
    return this.change(actor, id, body);
  }

  @Post(':id/accept')
  @Requires('certificate:update')
  @Summary(
    'Accept a certificate for its owner',
    "For a holder of the owner's role, after somebody else named that owner: it renews by the rights of that role " +
      'from now on. Until then it renews by those that it had before.',
  )
  @Answers(200, CertificateView)
  async accept(@Who() actor: Actor, @Id() id: number): Promise<CertificateView> {
    await this.acceptance.accept(actor, id);
    return this.reader.get(id);
  }

  @Put(':id/description')
  @Requires('certificate:update')
  @Summary('Describe a certificate')
  @Answers(200, CertificateView)
  description(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(DescriptionRequest) body: DescriptionRequest,
  ): Promise<CertificateView> {
    return this.change(actor, id, body);
  }

  private async change(actor: Actor, id: number, request: UpdateRequest, form?: 'whole'): Promise<CertificateView> {
    await this.updates.update(actor, id, request, form);
    return this.reader.get(id);
  }
}
