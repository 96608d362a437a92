import { Controller, Delete } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, Summary } from '../../platform/http/contract.js';
import { DeleteService } from './delete.service.js';

@Controller('certificates')
export class DeleteController {
  constructor(private readonly deletion: DeleteService) {}

  @Delete(':id') @Requires('certificate:delete')
  @Summary('Delete a certificate', 'Only where ALLOW_CERT_DELETION is on, and only what is delivered nowhere. It leaves lists, rotation and notices; it can still be read by its id, and revoked.')
  @Answers(204, null)
  async delete(@Who() actor: Actor, @Id() id: number): Promise<void> {
    await this.deletion.delete(actor, id);
  }
}
