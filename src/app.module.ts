import { type DynamicModule, Module } from '@nestjs/common';
import { plugins } from '../plugins/index.js';
import { surfacesOf } from './app.surfaces.js';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { AuthoritiesModule } from './authorities/authorities.module.js';
import { CertificatesModule } from './certificates/certificates.module.js';
import { ChallengesModule } from './challenges/challenges.module.js';
import { DestinationsModule } from './destinations/destinations.module.js';
import { dialects } from './dialects/dialects.js';
import { DomainsModule } from './domains/domains.module.js';
import { JobsModule } from './jobs/jobs.module.js';
import { NotificationsModule } from './notifications/notifications.module.js';
import { OperationsModule } from './operations/operations.module.js';
import { type Foundations, PlatformModule } from './platform/platform.module.js';
import { ProfilesModule } from './profiles/profiles.module.js';
import { RolesModule } from './roles/roles.module.js';
import { RevocationModule } from './revocation/revocation.module.js';
import { RotationModule } from './rotation/rotation.module.js';
import { SourcesModule } from './sources/sources.module.js';
import { UsersModule } from './users/users.module.js';

/** The whole program. Knows every module, the list of plugins and that of dialects. */
@Module({})
export class AppModule {
  static on(
    foundations: Omit<Foundations, 'plugins' | 'surfaces'> & Partial<Pick<Foundations, 'plugins' | 'surfaces'>>,
  ): DynamicModule {
    const { config, surfaces = surfacesOf(config) } = foundations;
    return {
      module: AppModule,
      imports: [
        PlatformModule.on({ plugins, ...foundations, surfaces }),
        AuditModule,
        UsersModule,
        RolesModule,
        AuthModule,
        DomainsModule,
        JobsModule,
        OperationsModule,
        ProfilesModule,
        AuthoritiesModule,
        ChallengesModule,
        DestinationsModule,
        NotificationsModule,
        RevocationModule,
        RotationModule,
        SourcesModule,
        CertificatesModule,
        ...config.dialects.map((name) => dialects[name].module),
      ],
    };
  }
}
