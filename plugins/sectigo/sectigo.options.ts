import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { type Options, secret } from '../../src/plugin-api/options.js';
import { serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';

const id = z.int().min(1).max(2_147_483_647);

export const options = z.strictObject({
  baseUrl: serviceUrl.default('https://cert-manager.com/api').meta({
    title: 'API address',
    description:
      'Ends with `/api`. With a client ID it is that of the Admin Operations API, ' +
      'e.g. `https://admin.enterprise.sectigo.com/api`.',
  }),
  login: z.string().min(1).max(128).optional().meta({
    title: 'Login',
    description: 'Name of the administrator, when you sign in with a password.',
  }),
  password: secret('Password', 'Password of the administrator.').max(256).optional(),
  customerUri: z.string().min(1).max(128).optional().meta({
    title: 'Customer URI',
    description: 'Last part of the address at which administrators sign in. Needed with a login.',
  }),
  clientId: z.string().min(1).max(256).optional().meta({
    title: 'Client ID',
    description: 'ID of the API key of an administrator, when you sign in with OAuth 2.',
  }),
  clientSecret: secret('Client secret', 'Belongs to the client ID.').max(512).optional(),
  oauthUrl: serviceUrl
    .default('https://auth.sso.sectigo.com/auth/realms/apiclients/protocol/openid-connect/token')
    .meta({ title: 'Token address', description: 'Where the client ID gets its access token.' }),
  product: z.enum(['ssl', 'smime']).default('ssl').meta({
    title: 'Product',
    description: '`ssl`: server certificates. `smime`: client certificates of persons.',
  }),
  organizationId: id.meta({
    title: 'Organization ID',
    description: 'ID of the organization, or of the department for an administrator of a department.',
  }),
  profileId: id.meta({
    title: 'Certificate profile ID',
    description: 'The "Test connection" button names the profiles of the organization when this one is not among them.',
  }),
  termDays: z.int().min(1).max(3650).optional().meta({
    title: 'Term',
    description:
      'Days; one of the terms of the profile. Absent: the longest one that is within the validity asked for.',
  }),
  customFields: z
    .array(
      z
        .string()
        .max(512)
        .regex(/^[^=]+=/, 'must be name=value'),
    )
    .max(50)
    .default([])
    .meta({ title: 'Custom fields', description: '`name=value`, one for each field that the account demands.' }),
  externalRequester: z.array(z.email().max(128)).max(10).default([]).meta({
    title: 'External requesters',
    description: 'E-mail addresses that Sectigo notifies too. For `ssl` alone.',
  }),
  renewsAtSectigo: z
    .boolean()
    .default(false)
    .meta({
      title: 'Renew at Sectigo',
      description:
        'A renewal with the same names renews the certificate in SCM, or replaces it when it ends no later; a client ' +
        'certificate is renewed there when its key stays. Otherwise each renewal is a new order.',
    }),
  ...serviceOptions,
});

export type SectigoOptions = Options<typeof options>;

/** How an administrator signs in. */
export type SignIn =
  | { kind: 'password'; login: string; password: string; customerUri: string }
  | { kind: 'oauth'; clientId: string; clientSecret: string };

/** Throws PluginError `misconfigured` unless the options hold exactly one way to sign in. */
export function signInOf({ login, password, customerUri, clientId, clientSecret }: SectigoOptions): SignIn {
  const isOauth = clientId !== undefined || clientSecret !== undefined;
  if (isOauth && login === undefined && password === undefined) {
    if (clientId !== undefined && clientSecret !== undefined) return { kind: 'oauth', clientId, clientSecret };
    throw new PluginError('misconfigured', 'Give the client ID and the client secret together.');
  }
  if (!isOauth && login !== undefined && password !== undefined && customerUri !== undefined)
    return { kind: 'password', login, password, customerUri };
  throw new PluginError(
    'misconfigured',
    'Give either login, password and customer URI, or client ID and client secret.',
  );
}

/** As Sectigo takes them. */
export function customFieldsOf({ customFields }: SectigoOptions): { name: string; value: string }[] {
  return customFields.map((text) => {
    const at = text.indexOf('=');
    return { name: text.slice(0, at).trim(), value: text.slice(at + 1) };
  });
}
