import { Controller, Post } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, JsonBody, Summary } from '../../platform/http/contract.js';
import { Idempotent } from '../../platform/http/idempotent.js';
import { CertificateView } from '../certificate.schema.js';
import { UploadRequest } from './upload.schema.js';
import { UploadService } from './upload.service.js';

/** The route that imports one certificate. */
@Controller('certificates')
export class UploadController {
  constructor(private readonly upload: UploadService) {}

  @Post('upload')
  @Idempotent()
  @Requires('certificate:import')
  @Summary(
    'Import a certificate',
    "Certificate and chain must fit together, and the key must be the certificate's. One that is here already is a " +
      'conflict, unless privateKey, or a csr made with that key, shows more than its owner here has: then owner and ' +
      'settings become those of this request.',
  )
  @Answers(200, CertificateView)
  create(@Who() actor: Actor, @JsonBody(UploadRequest) body: UploadRequest): Promise<CertificateView> {
    return this.upload.upload(actor, body);
  }
}
