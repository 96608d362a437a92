import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { ProfilesModule } from '../profiles/profiles.module.js';
import { RolesModule } from '../roles/roles.module.js';
import { Authorities } from './authorities.js';
import { AuthorityIssuerRepository } from './authority-issuer.repository.js';
import { AuthorityIssuers } from './authority-issuers.js';
import { AuthorityIssuersController } from './authority-issuers.controller.js';
import { AuthorityIssuersJob } from './authority-issuers.job.js';
import { AuthorityAccounts } from './authority-accounts.js';
import { AuthorityAccountsController } from './authority-accounts.controller.js';
import { AuthorityController } from './authority.controller.js';
import { AuthorityRepository } from './authority.repository.js';
import { AuthorityReader } from './authority-reader.js';
import { AuthoritySerialRepository } from './authority-serial.repository.js';
import { AuthorityService } from './authority.service.js';
import { AuthorityStates } from './authority-states.js';
import { AuthorityStore } from './authority-store.js';
import { CaAdministration } from './ca-administration.js';
import { CaAdministrationController } from './ca-administration.controller.js';
import { DefaultsController } from './defaults.controller.js';
import { AuthorityCsrRepository } from './authority-csr.repository.js';
import { AuthorityCsrs } from './authority-csrs.js';
import { AuthorityCsrsController } from './authority-csrs.controller.js';
import { AuthorityRemoval } from './delete-authority.js';
import { AuthorityParents } from './authority-parents.js';
import { CaCertificates } from './ca-certificates.js';
import { AuthorityMaker } from './create-authority.js';
import { AuthorityRenewal } from './renew-authority.js';

@Module({
  imports: [AuditModule, JobsModule, ProfilesModule, RolesModule],
  controllers: [
    AuthorityCsrsController,
    AuthorityController,
    AuthorityAccountsController,
    AuthorityIssuersController,
    CaAdministrationController,
    DefaultsController,
  ],
  providers: [
    Authorities,
    AuthorityAccounts,
    AuthorityRepository,
    AuthorityReader,
    AuthoritySerialRepository,
    AuthorityService,
    AuthorityStates,
    AuthorityStore,
    AuthorityCsrRepository,
    AuthorityCsrs,
    AuthorityMaker,
    AuthorityRemoval,
    AuthorityParents,
    AuthorityRenewal,
    CaCertificates,
    AuthorityIssuerRepository,
    AuthorityIssuers,
    AuthorityIssuersJob,
    CaAdministration,
  ],
  exports: [
    Authorities,
    AuthorityIssuerRepository,
    AuthorityIssuers,
    AuthorityReader,
    AuthorityRemoval,
    AuthorityRepository,
    AuthoritySerialRepository,
    AuthorityService,
  ],
})
export class AuthoritiesModule {}
