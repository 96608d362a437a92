import { Controller, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../../platform/http/contract.js';
import { CertificateView } from '../certificate.view.js';
import { CertificateReader } from '../list/certificate-reader.js';
import { UpdateRequest } from './update.schema.js';
import { UpdateService } from './update.service.js';

@Controller('certificates')
export class UpdateController {
  constructor(
    private readonly updates: UpdateService,
    private readonly reader: CertificateReader,
  ) {}

  @Put(':id') @Requires('certificate:update')
  @Summary('Change how a certificate is looked after', 'Owner, notices, rotation, destinations, roles. A destination that is no longer named loses the certificate.')
  @Answers(200, CertificateView)
  async update(@Who() actor: Actor, @Id() id: number, @JsonBody(UpdateRequest) body: UpdateRequest): Promise<CertificateView> {
    await this.updates.update(actor, id, body);
    return this.reader.get(id);
  }
}
