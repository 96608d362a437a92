import { z } from 'zod';
import { domain, flag, list, text, url, whole } from './config-value.js';

/** `group=role`; the role follows the last equals sign. */
const groupRole = text.transform((value, context) => {
  const [, group = '', role = ''] = /^(.+)=([^=]+)$/s.exec(value) ?? [];
  if (group.trim() !== '' && role.trim() !== '') return { group: group.trim(), role: role.trim() };
  context.addIssue('must be group=role');
  return z.NEVER;
});

/** https, or http to the machine itself (OpenID Connect Discovery 1.0 §2: an issuer has no query and no fragment). */
const issuer = url('https', 'http').refine(
  (value) => !URL.canParse(value) || isIssuer(new URL(value)),
  'must be an https URL without query and fragment',
);

function isIssuer({ protocol, hostname, search, hash, username }: URL): boolean {
  return search === '' && hash === '' && username === '' && (protocol === 'https:' || isLoopback(hostname));
}

/** True for the names of the machine itself in a URL. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

const scopes = text
  .transform((value) =>
    value
      .split(/[\s,]+/)
      .filter((scope) => scope !== '')
      .join(' '),
  )
  .refine((value) => value.split(' ').includes('openid'), 'must contain openid');

const template = text
  .includes('{username}', 'must contain {username}')
  .refine((value) => value !== '{username}', 'must hold more than {username}');
const filter = text.includes('{username}', 'must contain {username}').regex(/^\(.+\)$/s, 'must stand in parentheses');

/** The settings of sign-in through others: OpenID Connect, Google, LDAP, and the rules about groups that they share. */
export const signInSchema = {
  OIDC_ISSUER: issuer.optional().meta({
    description: 'Issuer of an OpenID Connect provider, as in its tokens. Enables sign-in through it.',
  }),
  OIDC_CLIENT_ID: text.optional().meta({ description: 'Client id at the OpenID Connect provider.' }),
  OIDC_CLIENT_SECRET: text.optional().meta({
    description: 'Client secret at the provider. Without it the client is public, and protected by PKCE alone.',
  }),
  OIDC_CLIENT_AUTH: z
    .enum(['client_secret_basic', 'client_secret_post'])
    .prefault('client_secret_basic')
    .meta({ description: 'How the client secret is sent.' }),
  OIDC_TITLE: text.max(100).prefault('Single sign-on').meta({ description: 'Text of the sign-in button.' }),
  OIDC_SCOPES: scopes.prefault('openid email profile').meta({ description: 'Scopes to ask for, with spaces between.' }),
  OIDC_CALLBACK: z
    .enum(['oidc/callback', 'oauth2', 'ping'])
    .prefault('oidc/callback')
    .meta({
      description:
        'Last part of the redirect URI, after PUBLIC_URL/api/1/auth/: ' +
        'oidc/callback, or oauth2 or ping as Lemur has them.',
    }),
  OIDC_USERNAME_CLAIM: text.prefault('preferred_username').meta({
    description: 'Claim that becomes the name of a new user; the e-mail address when it is missing or taken.',
  }),
  OIDC_GROUPS_CLAIM: text.prefault('groups').meta({ description: 'Claim that lists the groups of a user.' }),
  OIDC_CREATE_USERS: flag()
    .prefault('true')
    .meta({ description: 'Whether unknown people become users when they sign in.' }),
  OIDC_LINK_BY_EMAIL: flag().prefault('false').meta({
    description: 'Whether the first sign-in of a person takes over the user that has the same verified e-mail address.',
  }),
  OIDC_TRUST_EMAIL: flag().prefault('false').meta({
    description: 'Whether addresses count as verified when the provider does not say (no claim email_verified).',
  }),
  OIDC_CLOCK_TOLERANCE_S: whole(0, 300)
    .prefault('30')
    .meta({ description: 'Seconds by which the clock of a provider may differ from the local one.' }),
  OIDC_STATE_LIFETIME_S: whole(15, 3600)
    .prefault('600')
    .meta({ description: 'Seconds that a person has to sign in at the provider.' }),
  GOOGLE_CLIENT_ID: text.optional().meta({ description: 'Client id at Google. Enables sign-in with Google.' }),
  GOOGLE_CLIENT_SECRET: text.optional().meta({ description: 'Client secret at Google.' }),
  GOOGLE_HOSTED_DOMAIN: domain.optional().meta({ description: 'Google Workspace domain that people must belong to.' }),
  GOOGLE_CREATE_USERS: flag().prefault('false').meta({
    description: 'Whether unknown people become users when they sign in with Google; needs GOOGLE_HOSTED_DOMAIN.',
  }),
  LDAP_URL: url('ldaps', 'ldap')
    .optional()
    .meta({ description: 'LDAP server or Active Directory that checks a password that is not the local one.' }),
  LDAP_START_TLS: flag().prefault('true').meta({
    description:
      'Whether a connection to ldap:// is encrypted with StartTLS. Without StartTLS, passwords are sent unencrypted.',
  }),
  LDAP_CA: text
    .regex(/-----BEGIN CERTIFICATE-----/, 'must be certificates in PEM')
    .optional()
    .meta({ description: 'Certificates in PEM that the LDAP server must chain to, instead of public CAs.' }),
  LDAP_BASE: text.optional().meta({ description: 'DN below which people are found.' }),
  LDAP_USER_DN: template.optional().meta({
    description:
      'Name to bind as, for instance uid={username},ou=people,dc=example,dc=com or ' +
      '{username}@corp.example.com. Without it LDAP_BIND_DN finds the person first.',
  }),
  LDAP_BIND_DN: text.optional().meta({ description: 'DN of the service account that finds people and groups.' }),
  LDAP_BIND_PASSWORD: text.optional().meta({ description: 'Password of the service account.' }),
  LDAP_ACTIVE_DIRECTORY: flag().prefault('false').meta({
    description:
      'Whether the server is an Active Directory: names are sAMAccountName, nested groups are resolved there.',
  }),
  LDAP_USER_FILTER: filter.optional().meta({
    description: 'Filter that finds exactly one person.',
    defaultText: '(uid={username}), or (sAMAccountName={username}) in an Active Directory',
  }),
  LDAP_EMAIL_ATTRIBUTE: text.prefault('mail').meta({ description: 'Attribute with the e-mail address.' }),
  LDAP_GROUP_BASE: text.optional().meta({ description: 'DN below which groups are found.', defaultText: 'LDAP_BASE' }),
  LDAP_REQUIRED_GROUP: text
    .optional()
    .meta({ description: 'Name (cn) of the group whose direct and nested members, and nobody else, may sign in.' }),
  LDAP_CREATE_USERS: flag()
    .prefault('true')
    .meta({ description: 'Whether unknown people become users when they sign in.' }),
  LDAP_LINK_BY_EMAIL: flag()
    .prefault('false')
    .meta({
      description:
        'Whether the first sign-in of a person takes over the user that has the same e-mail ' +
        'address. Only where people cannot change their address in the directory.',
    }),
  LDAP_TRUST_EMAIL: flag()
    .prefault('false')
    .meta({
      description:
        'Whether the address in the directory proves an identity: IDP_CREATE_PER_USER_ROLE ' +
        'then applies to LDAP too, but never grants a role that exists ' +
        'already. Only where people cannot change their address in the directory.',
    }),
  LDAP_TIMEOUT_S: whole(1, 60)
    .prefault('5')
    .meta({ description: 'Seconds that a whole sign-in at the LDAP server may take.' }),
  IDP_ASSIGN_ROLES_FROM_USER_GROUPS: flag()
    .prefault('true')
    .meta({ description: 'Whether groups at a provider or in LDAP grant roles.' }),
  IDP_CREATE_ROLES_FROM_USER_GROUPS: flag()
    .prefault('true')
    .meta({ description: 'Whether a role is made for a group without one.' }),
  IDP_CREATE_PER_USER_ROLE: flag()
    .prefault('true')
    .meta({ description: 'Whether everyone who signs in holds the owner role of their own e-mail address.' }),
  IDP_ROLES_MAPPING: list(groupRole)
    .optional()
    .transform((pairs) => pairs ?? [])
    .meta({
      description: 'Roles of groups, as group=role with commas between. Only this grants a built-in role to a group.',
      defaultText: 'none',
    }),
  IDP_ROLES_PREFIX: text
    .max(64)
    .optional()
    .transform((value) => value ?? '')
    .meta({ description: 'Text before the name of a group in the name of its role.', defaultText: 'none' }),
  IDP_ROLES_SUFFIX: text
    .max(64)
    .optional()
    .transform((value) => value ?? '')
    .meta({ description: 'Text after the name of a group in the name of its role.', defaultText: 'none' }),
  IDP_OWNER_DOMAINS: list(domain)
    .optional()
    .transform((domains) => domains ?? [])
    .meta({
      description:
        'Mail domains, with commas between, in which a group that is named as an ' +
        'address grants the owner role of that address.',
      defaultText: 'none',
    }),
};

/** Each row: a setting, and the settings that it requires. */
const needs: readonly (readonly [given: string, ...needed: string[]])[] = [
  ['OIDC_ISSUER', 'OIDC_CLIENT_ID'],
  ['OIDC_CLIENT_ID', 'OIDC_ISSUER'],
  ['GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET'],
  ['GOOGLE_CLIENT_SECRET', 'GOOGLE_CLIENT_ID'],
  ['LDAP_URL', 'LDAP_BASE'],
  ['LDAP_BIND_DN', 'LDAP_BIND_PASSWORD'],
  ['LDAP_BIND_PASSWORD', 'LDAP_BIND_DN'],
  ['PKCS11_MODULE', 'PKCS11_TOKEN_LABEL', 'PKCS11_PIN'],
];

/** Faults for settings that others require. `given`: the values that are set, by name, as written. */
export function missingBeside(given: Readonly<Record<string, string>>): string[] {
  const faults = needs.flatMap(([name, ...needed]) =>
    given[name] === undefined
      ? []
      : needed.filter((other) => given[other] === undefined).map((other) => `${other}: is needed with ${name}`),
  );
  if (given['LDAP_URL'] !== undefined && given['LDAP_USER_DN'] === undefined && given['LDAP_BIND_DN'] === undefined) {
    faults.push('LDAP_USER_DN: this or LDAP_BIND_DN is needed with LDAP_URL');
  }
  const createsFromGoogle = /^(true|1|yes)$/i.test(given['GOOGLE_CREATE_USERS'] ?? '');
  if (createsFromGoogle && given['GOOGLE_HOSTED_DOMAIN'] === undefined)
    faults.push(
      'GOOGLE_HOSTED_DOMAIN: is needed with GOOGLE_CREATE_USERS, or anyone with a Google account could sign in',
    );
  return faults;
}
