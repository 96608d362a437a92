import { Module } from '@nestjs/common';
import { AuthModule } from '../../auth/auth.module.js';
import { AuthoritiesModule } from '../../authorities/authorities.module.js';
import { CertificatesModule } from '../../certificates/certificates.module.js';
import { FastpkiCasController } from './cas.controller.js';
import { Cas } from './cas.js';
import { FastpkiCertificatesController } from './certificates.controller.js';
import { FastpkiCertificates } from './fastpki-certificates.js';
import { FastpkiIssuing } from './fastpki-issuing.js';
import { FastpkiSignInController } from './sign-in.controller.js';
import { FastpkiUsersController } from './users.controller.js';

/** The REST contract of FastPKI 0.3. */
@Module({
  imports: [AuthModule, AuthoritiesModule, CertificatesModule],
  controllers: [FastpkiSignInController, FastpkiUsersController, FastpkiCasController, FastpkiCertificatesController],
  providers: [Cas, FastpkiCertificates, FastpkiIssuing],
})
export class FastpkiModule {}
