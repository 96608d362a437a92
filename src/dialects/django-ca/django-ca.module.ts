import { Module } from '@nestjs/common';
import { AuthoritiesModule } from '../../authorities/authorities.module.js';
import { AuthoritiesBySerial } from './authorities-by-serial.js';
import { CaController } from './ca.controller.js';

/** The REST contract of django-ca over the authorities and certificates of this program. */
@Module({
  imports: [AuthoritiesModule],
  controllers: [CaController],
  providers: [AuthoritiesBySerial],
})
export class DjangoCaModule {}
