import { z } from 'zod';
import { type Options, secret } from '../../src/plugin-api/options.js';
import { serviceOptions } from '../../src/plugin-api/service-options.js';

export const acmeOptions = z.strictObject({
  directoryUrl: z
    .url({ protocol: /^https$/ })
    .max(2048)
    .meta({
      title: 'Directory URL',
      description: 'Where the ACME server of the CA has its directory (RFC 8555 §7.1.1).',
      examples: ['https://acme-v02.api.letsencrypt.org/directory'],
    }),
  contacts: z
    .array(z.email().max(254))
    .max(10)
    .default([])
    .meta({ title: 'Contacts', description: 'Mail addresses that the CA may write to about the account.' }),
  termsOfServiceAgreed: z.boolean().default(false).meta({
    title: 'Agreed to the terms of service',
    description: 'Whether you agree to the terms of service that the CA names. Without it no account is made.',
  }),
  eabKeyId: z.string().min(1).max(1024).optional().meta({
    title: 'Key id of the external account',
    description: 'For a CA that binds accounts to its customers (RFC 8555 §7.3.4).',
  }),
  eabHmacKey: secret('HMAC key of the external account', 'In base64url or base64, as the CA shows it.')
    .regex(/^[A-Za-z0-9_+/-]{16,}={0,2}$/, 'must be base64url')
    .optional(),
  challenge: z
    .enum(['auto', 'http-01', 'dns-01', 'tls-alpn-01'])
    .default('auto')
    .meta({
      title: 'Challenge',
      description:
        'How control of a name is proven. `auto`: by a DNS record where a DNS provider has the zone, else over HTTP, ' +
        'or over TLS where the CA does not offer HTTP and TLS_ALPN_LISTEN is set. ' +
        'Wildcard names are always proven by a DNS record.',
    }),
  preferredChain: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .meta({
      title: 'Preferred chain',
      description:
        'Common name of the root to which the chain is to lead, where the CA offers several chains. Without a match ' +
        "the CA's default counts.",
    }),
  profile: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .meta({ title: 'Profile', description: 'A profile of the CA, where it offers several.' }),
  sendsValidity: z.boolean().default(false).meta({
    title: 'Ask for the validity',
    description: 'Whether the order names the dates that were asked for. Many CAs refuse such an order.',
  }),
  ...serviceOptions,
});

export type AcmeOptions = Options<typeof acmeOptions>;
