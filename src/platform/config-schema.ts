import { resolve } from 'node:path';
import { z } from 'zod';
import { challengeSchema } from './config-challenges.js';
import { dialectSchema } from './config-dialects.js';
import { pkiSchema } from './config-pki.js';
import { signInSchema } from './config-sign-in.js';
import {
  absolutePath,
  commands,
  domain,
  encryptionKey,
  flag,
  hostOrNetwork,
  keyList,
  laneLimit,
  listenAddress,
  list,
  mailAddress,
  namePattern,
  subjectDefault,
  subjectPattern,
  network,
  proxyException,
  serviceFiles,
  text,
  url,
  whole,
} from './config-value.js';

/** Each once, the most first. Without any day nobody would be warned, and the last day is no warning. */
const days = (most: number) => list(whole(1, most)).transform((values) => [...new Set(values)].sort((a, b) => b - a));

/**
 * Every setting: how it is written in the environment, its default and its meaning. `defaultText` tells a default that
 * another setting gives.
 */
export const configSchema = z.object({
  PORT: whole(0, 65535).prefault('8080').meta({ description: 'TCP port to listen on; 0 takes a free one.' }),
  HOST: text.prefault('127.0.0.1').meta({ description: 'Address to listen on; 0.0.0.0 is every IPv4 address.' }),
  METRICS_LISTEN: listenAddress.optional().meta({
    description:
      'Address for /health and /metrics, as host:port, with an IPv6 address in brackets. They are then not served at ' +
      'HOST and PORT, and a worker listens here alone.',
  }),
  PUBLIC_URL: url('http', 'https')
    .transform((value) => value.replace(/\/+$/, ''))
    .optional()
    .meta({
      description: 'URL under which people and machines reach this server; used in mails and in issued certificates.',
      defaultText: 'http://HOST:PORT',
    }),
  ...pkiSchema,
  ...dialectSchema,
  DATA_DIR: text
    .prefault('./data')
    .transform((value) => resolve(value))
    .meta({ description: 'Folder of the embedded database and of generated keys.' }),
  DATABASE_URL: url('postgresql', 'postgres')
    .optional()
    .meta({ description: 'PostgreSQL server, 13 or newer. Without it an embedded one runs in DATA_DIR.' }),
  REDIS_URL: url('redis', 'rediss')
    .optional()
    .meta({ description: 'Redis for the job queue. Without it jobs run from the database.' }),
  SMTP_URL: url('smtp', 'smtps')
    .optional()
    .meta({
      description:
        'Mail server, with user and password in the URL if it needs them. Without it ' +
        'mails are kept in the database, to be read at /api/1/mails.',
    }),
  MAIL_FROM: text
    .includes('@', 'must hold a mail address')
    .prefault('perennial@localhost')
    .meta({ description: 'Sender of mails.' }),
  ADMIN_PASSWORD: text
    .optional()
    .meta({ description: 'Password of the first account, admin. Without it one is generated at the first start.' }),
  ENCRYPTION_KEYS: list(encryptionKey)
    .optional()
    .meta({
      description:
        'Key ring that seals private keys: 32 bytes in base64 each, or id:base64, with commas ' +
        'between. The first seals, all open. Without it one is generated in DATA_DIR.',
    }),
  PKCS11_MODULE: absolutePath.optional().meta({
    description:
      'PKCS#11 module (a shared library such as /usr/lib/softhsm/libsofthsm2.so) in whose token authorities with ' +
      '`keyStore` `pkcs11` have their keys. Needs the optional package koffi.',
  }),
  PKCS11_TOKEN_LABEL: text.optional().meta({ description: 'Label of the token.' }),
  PKCS11_PIN: text.optional().meta({ description: 'PIN of its user. A wrong one is tried once and refuses to start.' }),
  TOKEN_SECRETS: list(text.min(32, 'must be at least 32 characters long'))
    .optional()
    .meta({
      description:
        'Secrets of login tokens, at least 32 characters each, with commas between. ' +
        'The first signs, all verify. Without it one is generated in DATA_DIR.',
    }),
  PERENNIAL_ROLE: z
    .enum(['all', 'api', 'worker'])
    .prefault('all')
    .meta({ description: 'What this process does: serve requests (api), run jobs (worker), or both (all).' }),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .prefault('info')
    .meta({ description: 'Lowest level that is logged.' }),
  DEFAULT_COUNTRY: text
    .regex(/^[A-Z]{2}$/, 'must be two capital letters')
    .optional()
    .meta({ description: 'Country (C) of subjects without one: two letters of ISO 3166.' }),
  DEFAULT_STATE: subjectDefault('state', 'State or province (ST)'),
  DEFAULT_LOCATION: subjectDefault('location', 'Locality (L)'),
  DEFAULT_ORGANIZATION: subjectDefault('organization', 'Organization (O)'),
  DEFAULT_ORGANIZATIONAL_UNIT: subjectDefault('organizationalUnit', 'Organizational unit (OU)'),
  DEFAULT_AUTHORITY: text.optional().meta({ description: 'Authority of requests that name none, by name.' }),
  DEFAULT_ISSUER_PLUGIN: text.optional().meta({
    description: "Issuer plugin, by id or Lemur's slug, of new authorities that name none; without it the local CA.",
  }),
  DEFAULT_VALIDITY_DAYS: whole(1, 36500)
    .prefault('365')
    .meta({ description: 'Validity, in days, of requests that name none.' }),
  ALLOW_WEEKEND_EXPIRATION: flag()
    .prefault('true')
    .meta({ description: 'Whether a requested validity may end on a Saturday or Sunday.' }),
  ALLOWED_DOMAINS: list(namePattern)
    .optional()
    .transform((patterns) => patterns ?? [])
    .meta({
      description:
        'Names that certificates may be issued for, with commas between: www.example.com, ' +
        '*.example.com (one label), .example.com (all below it), 10.0.0.0/8.',
      defaultText: 'all',
    }),
  RESERVED_SUBJECTS: list(subjectPattern)
    .prefault('O=system:masters')
    .transform((patterns) => patterns.filter((pattern) => pattern !== 'none'))
    .meta({
      description:
        'Subjects with which only admin gets a certificate for client authentication, with commas between: an ' +
        'attribute and its value, in which * stands for any characters, such as O=system:masters,OU=admins*. none: ' +
        'no subject is reserved.',
    }),
  KNOWN_BAD_KEYS: keyList
    .optional()
    .transform((keys): ReadonlySet<string> => keys ?? new Set())
    .meta({
      description:
        'Keys that are never certified, one a line (give a file as KNOWN_BAD_KEYS_FILE): SHA-256 of the public key ' +
        "(SubjectPublicKeyInfo), or a line of the lists of Debian's package openssl-blacklist.",
    }),
  BADKEYS_BLOCKLIST_PATH: absolutePath.optional().meta({
    description:
      'File blocklist.dat of badkeys (https://badkeys.info), whose keys are never certified, with the weak keys ' +
      "of Debian's OpenSSL (CVE-2008-0166). It takes about 60 MB of memory.",
  }),
  ALLOW_SHARED_KEYS: flag()
    .prefault('false')
    .meta({ description: "Whether a CSR may have the key of another owner's certificate." }),
  SENSITIVE_DOMAIN_ROLES: list(text.min(1))
    .optional()
    .transform((roles) => roles ?? [])
    .meta({
      description:
        'Roles that may issue for sensitive names and decide which names are sensitive, ' +
        'with commas between; admin always may.',
      defaultText: 'none',
    }),
  DEFAULT_ROTATION_DAYS: whole(1, 3650)
    .prefault('30')
    .meta({
      description:
        'Days before expiry at which the rotation policy `default` renews; used only at ' +
        'the first start, which makes that policy.',
    }),
  NOTICE_DAYS: days(366)
    .prefault('30,15,2')
    .meta({ description: 'Days before expiry at which the owner is told, 1 to 366, with commas between.' }),
  SECURITY_TEAM_EMAIL: list(mailAddress)
    .optional()
    .meta({ description: 'Mail addresses, with commas between, that are also told of every expiry.' }),
  SECURITY_NOTICE_DAYS: days(366).optional().meta({
    description: 'Days before expiry at which SECURITY_TEAM_EMAIL is told, 1 to 366.',
    defaultText: 'NOTICE_DAYS',
  }),
  WEEKLY_SUMMARY: flag()
    .prefault('true')
    .meta({
      description:
        'Whether SECURITY_TEAM_EMAIL gets a summary of all certificates every Monday. Subscriptions to ' +
        '`summary.weekly` send it to others.',
    }),
  AUTHORITY_NOTICE_DAYS: days(3650).prefault('365,180,90,30').meta({
    description:
      'Days before an authority expires at which its owner and SECURITY_TEAM_EMAIL are told, with commas between.',
  }),
  NOTIFICATION_RECIPIENT_DOMAINS: list(domain)
    .optional()
    .transform((domains) => domains ?? [])
    .meta({
      description:
        'Mail domains, with commas between, to which notifications may be addressed. ' +
        'Owners (see OWNER_DOMAINS) and SECURITY_TEAM_EMAIL are told wherever they are.',
      defaultText: 'all',
    }),
  OWNER_DOMAINS: list(domain)
    .optional()
    .transform((domains) => domains ?? [])
    .meta({
      description:
        'Mail domains, with commas between, in which a new owner of a certificate, authority or source must be. ' +
        'Existing owners stay, and are told. Without it: any domain.',
    }),
  MAILS_TO_OTHERS_PER_HOUR: whole(1, 1_000_000)
    .prefault('200')
    .meta({
      description:
        'Requests per hour, user and process that may send mail to an owner whose role the user does not hold ' +
        '(issue, upload, hand over, revoke); `admin` and `operator` have no limit.',
    }),
  STRICT_ROLES: flag()
    .prefault('false')
    .meta({
      description:
        'Whether only holders of `admin` or `operator` change anything, and every user ' +
        'must hold one of `admin`, `operator` and `read-only`.',
    }),
  ADMIN_ONLY_AUTHORITY_CREATION: flag()
    .prefault('true')
    .meta({
      description:
        'Whether only `admin` makes authorities. If not, every user with write access makes roots for ' +
        'owners whose role they hold, and CAs below authorities that they may change.',
    }),
  DEFAULT_ROLE: text
    .max(128)
    .refine((name) => name.toLowerCase() !== 'admin', 'must not be admin')
    .optional()
    .meta({ description: 'Role of new users for whom none is named.' }),
  TOKEN_LIFETIME_MINUTES: whole(1, 525_600).prefault('720').meta({ description: 'Minutes until a login expires.' }),
  ...signInSchema,
  LANE_LIMITS: list(laneLimit)
    .optional()
    .transform((limits) => limits ?? [])
    .meta({
      description:
        'How many jobs of one CA or one destination run, over all processes: ' +
        '`authority=8/60,destination=4,authority:3=1/5` lets 8 jobs of an authority run at once and 60 begin in a ' +
        'minute, 4 of a destination run at once, and of authority 3 one at once and 5 in a minute. Without it: 8 of ' +
        'an authority (and 2 of `renewal-info`: its questions when to renew), 4 of a destination, 2 of a `channel`, ' +
        'and 4 of `owner-mail` at once.',
    }),
  RELOAD_COMMANDS: commands.prefault('{}').meta({
    description:
      'Programs that a destination may run after a delivery: a JSON object from a ' +
      'name to a program, as an absolute path, and its arguments.',
  }),
  SERVICE_FILES: serviceFiles.prefault('{}').meta({
    description:
      'Files with the token for a service (`token`) and the CAs of its certificate (`ca`), read at every use: a JSON ' +
      'object from an address to both. Destinations, sources and issuers for exactly this address may use the token.',
  }),
  ALLOWED_FILESYSTEM_ROOTS: list(absolutePath)
    .optional()
    .transform((roots) => roots ?? [])
    .meta({
      description:
        'Folders, with commas between, in and below which destinations may write files and sources may read them. ' +
        "The program's own data stays closed to them. Without it: all folders.",
    }),
  ALLOWED_PRIVATE_HOSTS: list(hostOrNetwork)
    .optional()
    .transform((hosts) => hosts ?? [])
    .meta({
      description: 'Private hosts and networks that outgoing requests may reach, with commas between.',
      defaultText: 'none',
    }),
  HTTP_PROXY: url('http', 'https').optional().meta({
    description: 'Proxy for outgoing requests to http addresses of CAs and services, with user and password if needed.',
  }),
  HTTPS_PROXY: url('http', 'https')
    .optional()
    .meta({
      description:
        'Proxy for outgoing requests to https addresses (CONNECT). It resolves the names that this machine cannot ' +
        'resolve, so it must itself refuse private addresses.',
    }),
  NO_PROXY: list(proxyException)
    .optional()
    .transform((hosts) => hosts ?? [])
    .meta({
      description:
        'Hosts, domains with their subdomains, addresses and networks that are reached without a proxy, with commas ' +
        'between; * is all.',
      defaultText: 'none',
    }),
  ...challengeSchema,
  AUDIT_ANCHOR_LOG: flag().prefault('true').meta({
    description: "Whether the newest seal of the audit log is written to the program's log (level info).",
  }),
  AUDIT_ANCHOR_PATH: absolutePath.optional().meta({
    description: 'File to which the newest seal of the audit log is appended, on the machine that runs jobs.',
  }),
  AUDIT_ANCHOR_URL: url('http', 'https')
    .optional()
    .meta({ description: 'URL to which the newest seal of the audit log is sent as JSON by POST.' }),
  AUDIT_ANCHOR_SECRET: text.min(16, 'must be at least 16 characters long').optional().meta({
    description:
      'Signs what goes to AUDIT_ANCHOR_URL: X-Perennial-Signature is sha256= and the HMAC of the body in hex.',
  }),
  AUDIT_ANCHOR_MINUTES: whole(1, 10_080).prefault('60').meta({
    description: 'Minutes between two seals that are published; nothing is published while nothing is new.',
  }),
  TRUSTED_PROXIES: list(network)
    .optional()
    .transform((networks) => networks ?? [])
    .meta({
      description: 'Addresses and networks of reverse proxies whose X-Forwarded-For is trusted, with commas between.',
      defaultText: 'none',
    }),
  ALLOW_CERT_DELETION: flag()
    .prefault('false')
    .meta({
      description:
        'Whether certificates can be deleted. A deleted one has no rotation and no notices and is not listed, but is ' +
        'kept with its key.',
    }),
  HIDE_EXPIRED_AFTER_DAYS: whole(0, 36500)
    .prefault('30')
    .meta({ description: 'Days after expiry at which lists omit a certificate by default.' }),
  ENDPOINT_STALE_AFTER_HOURS: whole(1, 8760)
    .prefault('24')
    .meta({
      description:
        'Hours after which an endpoint that its source has not seen again counts as ' +
        'inactive; at least three polls of the source.',
    }),
  DEPLOYMENT_CHECK_HOURS: whole(0, 8760).prefault('24').meta({
    description:
      'Hours between two checks whether a deployed certificate is still where it was delivered, and served; 0: none.',
  }),
  REVOCATION_CHECK_HOURS: whole(0, 8760)
    .prefault('24')
    .meta({
      description:
        'Hours between two checks whether the CA of a deployed certificate has revoked it, by OCSP or CRL; 0: none. ' +
        'Not for certificates of CAs whose key is here.',
    }),
  SWEEP_INTERVAL_S: whole(1, 3600).prefault('20').meta({ description: 'Seconds between two sweeps for due work.' }),
});
