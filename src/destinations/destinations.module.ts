import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { RolesModule } from '../roles/roles.module.js';
import { DestinationController } from './destination.controller.js';
import { DestinationForm } from './destination-form.js';
import { DestinationRepository } from './destination.repository.js';
import { ExportSteps } from './export-step.js';
import { DestinationService } from './destination.service.js';
import { Hooks } from './hooks.js';
import { Destinations } from './destinations.js';

@Module({
  imports: [AuditModule, RolesModule],
  controllers: [DestinationController],
  providers: [Destinations, DestinationForm, DestinationRepository, DestinationService, ExportSteps, Hooks],
  exports: [Destinations, DestinationRepository, DestinationService, ExportSteps],
})
export class DestinationsModule {}
