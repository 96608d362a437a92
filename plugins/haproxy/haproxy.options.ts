import { z } from 'zod';
import { type Options, secret } from '../../src/plugin-api/options.js';
import { serviceOptions } from '../../src/plugin-api/service-options.js';

/** Stands in the name of a certificate for the common name. */
export const placeholder = '{commonName}';

/** HAProxy reads a name up to the next space; it quotes no other characters of these. */
const path = /^[\w./@+-]{1,500}$/;

export const options = z.strictObject({
  host: z
    .string()
    .max(253)
    .regex(/^[\w.:-]+$/, 'must be a host name or an IP address')
    .meta({ title: 'Host', description: 'Where the runtime API listens.', examples: ['lb.example.com'] }),
  port: z.int().min(1).max(65535).meta({ title: 'Port', description: 'Port of the runtime API.' }),
  tls: z
    .boolean()
    .default(true)
    .meta({
      title: 'TLS',
      description:
        'The runtime API is behind TLS. False: private keys go over the network as they are, which suits only this ' +
        'machine or a tunnel.',
    }),
  clientCertificate: z
    .string()
    .max(262_144)
    .regex(/-----BEGIN CERTIFICATE-----/, 'must be PEM')
    .optional()
    .meta({
      title: 'Client certificate',
      description: 'PEM, with which the program shows who it is. It needs the client key. The API has no passwords.',
    }),
  clientKey: secret('Client key', 'Private key of the client certificate, PEM without a passphrase.')
    .regex(/-----BEGIN (?:RSA |EC )?PRIVATE KEY-----/, 'must be PEM without a passphrase')
    .optional(),
  file: z
    .string()
    .refine(
      (text) => path.test(text.replaceAll(placeholder, 'x')),
      `must be a path of letters, digits and ./@+-_ without spaces; the only placeholder is ${placeholder}`,
    )
    .meta({
      title: 'Certificate file',
      description:
        `As the configuration of HAProxy names it. ${placeholder} stands for the common name, with _wildcard for *. ` +
        'A name without it has room for one certificate.',
      examples: ['/etc/haproxy/certs/{commonName}.pem'],
    }),
  crtList: z
    .string()
    .regex(path, 'must be a path of letters, digits and ./@+-_ without spaces')
    .optional()
    .meta({
      title: 'Certificate list',
      description:
        'The crt-list to which a certificate is added that HAProxy does not know yet. Absent: only certificates that ' +
        'the configuration names can be replaced.',
      examples: ['/etc/haproxy/crt-list.txt'],
    }),
  ...serviceOptions,
});

export type HaproxyOptions = Options<typeof options>;

/** In the usual notation: `lb.example.com:9443`, `[2001:db8::1]:9443`. */
export function addressOf({ host, port }: Pick<HaproxyOptions, 'host' | 'port'>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
