import { Controller, Delete, Post } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, Summary } from '../../platform/http/contract.js';
import { CertificateView } from '../certificate.schema.js';
import { CertificateReader } from '../list/certificate-reader.js';
import { DeleteService } from './delete.service.js';

@Controller('certificates')
export class DeleteController {
  constructor(
    private readonly deletion: DeleteService,
    private readonly reader: CertificateReader,
  ) {}

  @Delete(':id')
  @Requires('certificate:delete')
  @Summary(
    'Delete a certificate',
    'Only where ALLOW_CERT_DELETION is on, and only what is delivered nowhere. It leaves ' +
      'lists, rotation and notices; it can still be read by its id, and revoked.',
  )
  @Answers(204, null)
  async delete(@Who() actor: Actor, @Id() id: number): Promise<void> {
    await this.deletion.delete(actor, id);
  }

  @Post(':id/restore')
  @Requires('certificate:delete')
  @Summary('Take a deletion back', 'Its end is warned about again; rotation stays off until it is switched on.')
  @Answers(200, CertificateView)
  async restore(@Who() actor: Actor, @Id() id: number): Promise<CertificateView> {
    await this.deletion.restore(actor, id);
    return this.reader.get(id);
  }
}
