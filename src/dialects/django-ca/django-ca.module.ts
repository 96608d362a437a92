import { Module } from '@nestjs/common';
import { AuthoritiesModule } from '../../authorities/authorities.module.js';
import { CertificatesModule } from '../../certificates/certificates.module.js';
import { ProfilesModule } from '../../profiles/profiles.module.js';
import { AuthoritiesBySerial } from './authorities-by-serial.js';
import { CaController } from './ca.controller.js';
import { CertsController } from './certs.controller.js';
import { ProfilesController } from './profiles.controller.js';
import { Resigning } from './resigning.js';
import { Revoking } from './revoking.js';
import { SignController } from './sign.controller.js';

/** The REST contract of django-ca over the authorities and certificates of this program. */
@Module({
  imports: [AuthoritiesModule, CertificatesModule, ProfilesModule],
  controllers: [CaController, SignController, CertsController, ProfilesController],
  providers: [AuthoritiesBySerial, Resigning, Revoking],
})
export class DjangoCaModule {}
