import { Module } from '@nestjs/common';
import { AuthoritiesModule } from '../authorities/authorities.module.js';
import { CaCertificates } from './ca-certificates.js';
import { PkiController } from './pki.controller.js';

/** What the CAs whose key is here publish about what they issued. */
@Module({
  imports: [AuthoritiesModule],
  controllers: [PkiController],
  providers: [CaCertificates],
})
export class RevocationModule {}
