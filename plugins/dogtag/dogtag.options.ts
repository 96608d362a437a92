import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { quotable } from '../../src/plugin-api/json-client.js';
import { type Options, secret } from '../../src/plugin-api/options.js';
import { connectionOf, serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';
import type { FetchRequest } from '../../src/plugin-api/site.js';

const pem = (label: string): RegExp => new RegExp(`-----BEGIN ${label}-----`);
const text = z.string().max(255);

export const dogtagOptions = z.strictObject({
  url: serviceUrl.meta({ title: 'URL', description: 'Where the CA listens, e.g. https://ca.example.com:8443.' }),
  profile: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,128}$/, 'must be the id of a profile')
    .default('caServerCert')
    .meta({ title: 'Profile', description: 'Id of the profile under which certificates are requested.' }),
  inputs: z
    .array(z.string().regex(/^[A-Za-z0-9_.-]{1,128}=[^\0]{0,1024}$/s, 'must be name=value'))
    .max(50)
    .default([])
    .meta({
      title: 'Inputs',
      description: 'What the profile asks for beside the CSR, each as name=value.',
      examples: [['requestor_phone=+49 89 1234', 'sn_uid=web']],
    }),
  requestorName: text.optional().meta({
    title: 'Name of the requester',
    description: 'Written to each request, where the profile has a place for it.',
  }),
  requestorEmail: text.optional().meta({
    title: 'E-mail address of the requester',
    description: 'Written to each request, where the profile has a place for it.',
  }),
  issuerId: z.uuid().optional().meta({
    title: 'CA below the CA',
    description: 'Id of a lightweight CA that issues; without it the main CA does.',
  }),
  autoApprove: z.boolean().default(false).meta({
    title: 'Approve automatically',
    description: 'Approves our own requests at the CA, where the profile demands the approval of an agent.',
  }),
  clientCertificate: z.string().regex(pem('CERTIFICATE'), 'must be PEM').optional().meta({
    title: 'Client certificate',
    description: 'Certificate of an agent, PEM, with which the program signs in. It needs the client key.',
  }),
  clientKey: secret('Client key', 'Private key of the client certificate, PEM without a passphrase.')
    .regex(/-----BEGIN (?:RSA |EC )?PRIVATE KEY-----/, 'must be PEM without a passphrase')
    .optional(),
  clientPkcs12: secret('Client certificate and key', 'Both as PKCS#12, in base64, in place of the PEM.')
    .regex(/^[A-Za-z0-9+/\s]+={0,2}\s*$/, 'must be base64')
    .optional(),
  clientPkcs12Password: secret('Password of the PKCS#12', 'Opens the PKCS#12.').optional(),
  username: text
    .min(1)
    .optional()
    .meta({ title: 'User', description: 'User of the CA, in place of a client certificate.' }),
  password: secret('Password', 'Password of the user.').optional(),
  ...serviceOptions,
});
export type DogtagOptions = Options<typeof dogtagOptions>;

/** What every request to the CA carries. Throws PluginError `misconfigured` unless there is one complete sign-in. */
export function signInOf(options: DogtagOptions): Pick<
  FetchRequest,
  'ca' | 'timeoutMs' | 'clientCert' | 'clientKey' | 'clientPkcs12'
> & {
  headers: Record<string, string>;
} {
  const { clientCertificate, clientKey, clientPkcs12, clientPkcs12Password, username, password } = options;
  const ways = [clientCertificate ?? clientKey, clientPkcs12, username ?? password].filter((way) => way !== undefined);
  const [common, headers] = [connectionOf(options), {}];
  if (ways.length === 1) {
    if (clientCertificate !== undefined && clientKey !== undefined)
      return { ...common, headers, clientCert: clientCertificate, clientKey };
    if (clientPkcs12 !== undefined) {
      const der = Buffer.from(clientPkcs12, 'base64');
      return { ...common, headers, clientPkcs12: { der, passphrase: clientPkcs12Password ?? '' } };
    }
    if (username !== undefined && password !== undefined) {
      const basic = Buffer.from(`${username}:${password}`).toString('base64');
      return { ...common, headers: { Authorization: `Basic ${basic}` } };
    }
  }
  throw new PluginError(
    'misconfigured',
    'Give one way to sign in: a client certificate with its key, a PKCS#12, or a user with a password.',
  );
}

/** The extra inputs by name. */
export function inputsOf({ inputs }: DogtagOptions): Map<string, string> {
  return new Map(inputs.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]));
}

/** A text of the CA for people: short, on one line, without our credentials. */
export function forPeople(words: string, options: DogtagOptions): string {
  const { clientKey, clientPkcs12, clientPkcs12Password, password } = options;
  return quotable(
    words,
    [clientKey, clientPkcs12, clientPkcs12Password, password].filter((one) => one !== undefined),
  );
}
