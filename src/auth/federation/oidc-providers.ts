import { Injectable } from '@nestjs/common';
import { Config } from '../../platform/config.js';
import { type Claims, groupsClaim, type OidcProvider, textClaim, verifiedEmail } from './oidc-provider.js';
import { Refusal } from './profile.js';

/** The configured providers: a generic one, Google, both or none. */
@Injectable()
export class OidcProviders {
  readonly all: readonly OidcProvider[];

  constructor(config: Config) {
    this.all = [generic(config), google(config)].filter((provider) => provider !== null);
  }

  /** Undefined for a provider that is not configured. */
  find(name: string): OidcProvider | undefined {
    return this.all.find((provider) => provider.name === name);
  }
}

function generic(config: Config): OidcProvider | null {
  const { oidcIssuer: issuer, oidcClientId: clientId, oidcUsernameClaim, oidcGroupsClaim } = config;
  if (issuer === undefined || clientId === undefined) return null;
  return {
    name: 'oidc',
    title: config.oidcTitle,
    issuer,
    clientId,
    clientSecret: config.oidcClientSecret,
    clientAuth: config.oidcClientAuth,
    scope: config.oidcScopes,
    redirectUri: `${config.publicUrl}/api/1/auth/${config.oidcCallback}`,
    admission: { createUsers: config.oidcCreateUsers, linkByEmail: config.oidcLinkByEmail },
    wantedClaims: ['email', oidcUsernameClaim, oidcGroupsClaim],
    profileOf: (claims) => ({
      username: textClaim(claims, oidcUsernameClaim),
      email: verifiedEmail(claims, config.oidcTrustEmail),
      groups: groupsClaim(claims, oidcGroupsClaim),
    }),
  };
}

/** Google's claims have no groups. */
function google(config: Config): OidcProvider | null {
  const { googleClientId: clientId, googleClientSecret: clientSecret, googleHostedDomain } = config;
  if (clientId === undefined || clientSecret === undefined) return null;
  return {
    name: 'google',
    title: 'Google',
    issuer: 'https://accounts.google.com',
    clientId,
    clientSecret,
    clientAuth: 'client_secret_basic',
    scope: 'openid email profile',
    redirectUri: `${config.publicUrl}/api/1/auth/oidc/callback`,
    admission: { createUsers: config.googleCreateUsers, linkByEmail: true },
    wantedClaims: [],
    profileOf: (claims) => ({ username: '', email: googleEmail(claims, googleHostedDomain), groups: [] }),
  };
}

/** Google is authoritative only for gmail.com and for Workspace domains (`hd`); other addresses may have new owners. */
function googleEmail(claims: Claims, wantedDomain?: string): string | null {
  const domain = textClaim(claims, 'hd').toLowerCase();
  if (wantedDomain !== undefined && domain !== wantedDomain)
    throw new Refusal(`The account does not belong to ${wantedDomain}.`);
  const email = verifiedEmail(claims, false);
  return domain !== '' || email?.endsWith('@gmail.com') ? email : null;
}
