import { Controller, Post } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, JsonBody, Summary } from '../../platform/http/contract.js';
import { Idempotent } from '../../platform/http/idempotent.js';
import { BulkUploadRequest, BulkUploadView } from './bulk-upload.schema.js';
import { BulkUploadService } from './bulk-upload.service.js';

/** The route that imports many certificates. */
@Controller('certificates')
export class BulkUploadController {
  constructor(private readonly uploads: BulkUploadService) {}

  @Post('upload/bulk')
  @Idempotent()
  @Requires('certificate:import')
  @Summary(
    'Import many certificates',
    'From PEM blocks or a ZIP archive. Finds out which keys and chains belong to which certificate. Up to 200 ' +
      'certificates a request; each has an outcome of its own, and one that fails does not stop the others.',
  )
  @Answers(200, BulkUploadView)
  upload(@Who() actor: Actor, @JsonBody(BulkUploadRequest) body: BulkUploadRequest): Promise<BulkUploadView> {
    return this.uploads.upload(actor, body);
  }
}
