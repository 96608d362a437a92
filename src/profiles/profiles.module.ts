import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { KnownProfiles } from './known-profiles.js';
import { ProfileController } from './profile.controller.js';
import { ProfileRepository } from './profile.repository.js';
import { Profiles } from './profiles.js';

@Module({
  imports: [AuditModule],
  controllers: [ProfileController],
  providers: [KnownProfiles, ProfileRepository, Profiles],
  exports: [KnownProfiles, ProfileRepository],
})
export class ProfilesModule {}
