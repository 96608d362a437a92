import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { RolesModule } from '../roles/roles.module.js';
import { DestinationController } from './destination.controller.js';
import { DestinationRepository } from './destination.repository.js';
import { DestinationService } from './destination.service.js';
import { Destinations } from './destinations.js';

@Module({
  imports: [AuditModule, RolesModule],
  controllers: [DestinationController],
  providers: [Destinations, DestinationRepository, DestinationService],
  exports: [Destinations, DestinationRepository, DestinationService],
})
export class DestinationsModule {}
