import type { Config } from '../../platform/config.js';
import type { Admission, Profile } from './profile.js';

/** What a provider says of a person, in the ID token or at its UserInfo endpoint (OpenID Connect Core 1.0 §5.1). */
export type Claims = Readonly<Record<string, unknown>>;

/** One OpenID Connect provider as the operator has set it up. */
export interface OidcProvider {
  /** Stands in routes and states. */
  name: 'oidc' | 'google';
  title: string;
  issuer: string;
  clientId: string;
  /** Undefined for a public client. */
  clientSecret?: string;
  clientAuth: Config['oidcClientAuth'];
  /** With spaces between. */
  scope: string;
  redirectUri: string;
  admission: Admission;
  /** Which claims are looked for at the UserInfo endpoint when the ID token lacks them. */
  wantedClaims: readonly string[];
  /** Throws Refusal for somebody who may not come in at all. */
  profileOf: (claims: Claims) => Omit<Profile, 'way' | 'issuer' | 'subject'>;
}

/** A text claim, trimmed; empty when it is absent or something else. */
export function textClaim(claims: Claims, name: string): string {
  const value = claims[name];
  return typeof value === 'string' ? value.trim() : '';
}

/** The address when the provider says that it is verified, or says nothing and is `trusted`; else null. */
export function verifiedEmail(claims: Claims, trusted: boolean): string | null {
  const verified = claims['email_verified'];
  // Some providers write the boolean as text.
  const counts = verified === undefined ? trusted : verified === true || verified === 'true';
  const email = textClaim(claims, 'email').toLowerCase();
  return counts && email !== '' ? email : null;
}

/**
 * The texts of a claim that lists groups; one text counts as a list. A name with dots leads inside:
 * `realm_access.roles`.
 */
export function groupsClaim(claims: Claims, name: string): string[] {
  const inside = (value: unknown, part: string): unknown =>
    typeof value === 'object' && value !== null && Object.hasOwn(value, part) ? (value as Claims)[part] : undefined;
  const value = Object.hasOwn(claims, name) ? claims[name] : name.split('.').reduce(inside, claims as unknown);
  return (Array.isArray(value) ? value : [value]).filter(
    (group): group is string => typeof group === 'string' && group.trim() !== '',
  );
}
