import { url, whole } from './config-value.js';

/** Settings of the public face of the CAs, `/pki`. */
export const pkiSchema = {
  PKI_URL: url('http', 'https')
    .transform((value) => value.replace(/\/+$/, ''))
    .optional()
    .meta({
      description:
        'URL under which clients of certificates reach this server for CRL, OCSP and CA certificates; new ' +
        'authorities write it, with /pki behind it, into what they issue. Use http: many clients fetch none of them ' +
        'over https (RFC 5280 §8). Without it and PUBLIC_URL, certificates get no such addresses by themselves.',
      defaultText: 'PUBLIC_URL',
    }),
  OCSP_VALIDITY_HOURS: whole(1, 240)
    .prefault('6')
    .meta({
      description:
        'How long an OCSP response is valid. Clients may keep it for so long, and learn of a revocation only then; ' +
        'for half of it at least they do without this server.',
    }),
  PKI_REQUESTS_PER_SECOND: whole(0, 1_000_000)
    .prefault('100')
    .meta({
      description:
        'Requests a second, on average over 10 seconds, that each process answers one client address below /pki; ' +
        '0: no limit. Behind a reverse proxy, set TRUSTED_PROXIES too.',
    }),
};
