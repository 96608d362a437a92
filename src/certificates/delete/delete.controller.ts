import { Controller, Delete, Post } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, Summary } from '../../platform/http/contract.js';
import { CertificateView } from '../certificate.schema.js';
import { CertificateReader } from '../list/certificate-reader.js';
import { DeleteService, RestoreService } from './delete.service.js';

/** Routes that delete and restore a certificate. */
@Controller('certificates')
export class DeleteController {
  constructor(
    private readonly deletion: DeleteService,
    private readonly restoration: RestoreService,
    private readonly reader: CertificateReader,
  ) {}

  @Delete(':id')
  @Requires('certificate:delete')
  @Summary(
    'Delete a certificate',
    'Requires ALLOW_CERT_DELETION, and a certificate that is neither delivered nor served. Removes it from ' +
      'lists, rotation and notices. It can still be read by its id, revoked and restored.',
  )
  @Answers(204, null)
  async delete(@Who() actor: Actor, @Id() id: number): Promise<void> {
    await this.deletion.delete(actor, id);
  }

  @Post(':id/restore')
  @Requires('certificate:delete')
  @Summary(
    'Restore a deleted certificate',
    'Expiry notices are sent again. Rotation stays off until it is switched on.',
  )
  @Answers(200, CertificateView)
  async restore(@Who() actor: Actor, @Id() id: number): Promise<CertificateView> {
    await this.restoration.restore(actor, id);
    return this.reader.get(id);
  }
}
