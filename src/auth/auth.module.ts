import { Module } from '@nestjs/common';
import { APP_GUARD, DiscoveryModule } from '@nestjs/core';
import { AuditModule } from '../audit/audit.module.js';
import { Config } from '../platform/config.js';
import { basicAuthentication, bearerAuthentication } from '../platform/http/platform-surfaces.js';
import { RolesModule } from '../roles/roles.module.js';
import { UsersModule } from '../users/users.module.js';
import { ApiKeyRepository } from './api-key.repository.js';
import { ApiKeyService } from './api-key.service.js';
import { ApiKeysController, UserApiKeysController } from './api-keys.controller.js';
import { ApiKeyUse } from './api-key-use.js';
import { AuthController } from './auth.controller.js';
import { AuthGuard } from './auth.guard.js';
import { BasicAuthenticator } from './basic-authenticator.js';
import { BasicChecks } from './basic-checks.js';
import { BearerAuthenticator } from './bearer-authenticator.js';
import { Bearers } from './bearers.js';
import { FailureLimits } from './failure-limits.js';
import { FederatedAccounts } from './federation/federated-accounts.js';
import { FederatedRoles } from './federation/federated-roles.js';
import { IdentitiesController } from './federation/identities.controller.js';
import { IdentityRepository } from './federation/identity.repository.js';
import { LdapClient } from './federation/ldap.client.js';
import { LdapSignIn } from './federation/ldap-sign-in.js';
import { OidcClient } from './federation/oidc.client.js';
import { OidcController } from './federation/oidc.controller.js';
import { OidcProviders } from './federation/oidc-providers.js';
import { OidcSignIn } from './federation/oidc-sign-in.js';
import { SignInStates } from './federation/sign-in-state.js';
import { KeyRefusals } from './key-refusals.js';
import { LaterActors } from './later-actors.js';
import { MailLimit } from './mail-limit.js';
import { OwnPassword } from './own-password.js';
import { RouteCheck } from './route-check.js';
import { Sessions } from './sessions.js';
import { SignIn } from './sign-in.js';
import { openTokenKeys, TokenKeys } from './token-keys.js';
import { TokenPairs } from './token-pairs.js';
import { Tokens } from './tokens.js';

/** Sign-in through identity providers. */
const federation = [
  FederatedAccounts,
  FederatedRoles,
  IdentityRepository,
  LdapClient,
  LdapSignIn,
  OidcClient,
  OidcProviders,
  OidcSignIn,
  SignInStates,
];

/** Sign-in, sessions, API keys, and the guard of every route. */
@Module({
  imports: [AuditModule, DiscoveryModule, RolesModule, UsersModule],
  controllers: [AuthController, ApiKeysController, UserApiKeysController, OidcController, IdentitiesController],
  providers: [
    { provide: TokenKeys, inject: [Config], useFactory: openTokenKeys },
    { provide: bearerAuthentication, useClass: BearerAuthenticator },
    { provide: basicAuthentication, useClass: BasicAuthenticator },
    { provide: APP_GUARD, useClass: AuthGuard },
    ApiKeyRepository,
    ApiKeyService,
    ApiKeyUse,
    BasicChecks,
    Bearers,
    FailureLimits,
    KeyRefusals,
    LaterActors,
    MailLimit,
    OwnPassword,
    RouteCheck,
    Sessions,
    SignIn,
    TokenPairs,
    Tokens,
    ...federation,
  ],
  exports: [KeyRefusals, LaterActors, MailLimit, Sessions, TokenPairs],
})
export class AuthModule {}
