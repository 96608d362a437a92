import type { Config } from '../../platform/config.js';
import type { Admission, Profile } from './profile.js';

/** Claims of the ID token or of the UserInfo endpoint (OpenID Connect Core 1.0 §5.1). */
export type Claims = Readonly<Record<string, unknown>>;

/** A configured OpenID Connect provider. */
export interface OidcProvider {
  /** Appears in routes and states. */
  name: 'oidc' | 'google';
  title: string;
  issuer: string;
  clientId: string;
  /** Undefined for a public client. */
  clientSecret?: string;
  clientAuth: Config['oidcClientAuth'];
  /** Separated by spaces. */
  scope: string;
  redirectUri: string;
  admission: Admission;
  /** Claims to read from the UserInfo endpoint if the ID token does not have them. */
  wantedClaims: readonly string[];
  /** Throws Refusal for a person who may not sign in. */
  profileOf: (claims: Claims) => Omit<Profile, 'way' | 'issuer' | 'subject'>;
}

/** A text claim, trimmed; empty if it is absent or not a text. */
export function textClaim(claims: Claims, name: string): string {
  const value = claims[name];
  return typeof value === 'string' ? value.trim() : '';
}

/** The address if `email_verified` is true, or absent and the provider is `trusted`; else null. */
export function verifiedEmail(claims: Claims, trusted: boolean): string | null {
  const verified = claims['email_verified'];
  // Some providers write the boolean as text.
  const counts = verified === undefined ? trusted : verified === true || verified === 'true';
  const email = textClaim(claims, 'email').toLowerCase();
  return counts && email !== '' ? email : null;
}

/** The groups in a claim, a text or a list of texts. A name with dots is a path: `realm_access.roles`. */
export function groupsClaim(claims: Claims, name: string): string[] {
  const inside = (value: unknown, part: string): unknown =>
    typeof value === 'object' && value !== null && Object.hasOwn(value, part) ? (value as Claims)[part] : undefined;
  const value = Object.hasOwn(claims, name) ? claims[name] : name.split('.').reduce(inside, claims as unknown);
  return (Array.isArray(value) ? value : [value]).filter(
    (group): group is string => typeof group === 'string' && group.trim() !== '',
  );
}
