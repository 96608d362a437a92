import { z } from 'zod';
import { Instant, yearsUpTo } from '../platform/http/instant.js';
import { keyStoreNames } from '../platform/keys/key-store.js';

// What requests say about the certificate of a CA.

/** PEM of a CA and the CAs above it; room for ten certificates. */
export const CaChainText = z.string().min(1).max(131_072);

const subjectPart = z.string().max(128).optional();

/** The attributes of a subject besides its common name. */
export const subjectParts = {
  country: subjectPart,
  state: subjectPart,
  location: subjectPart,
  organization: subjectPart,
  organizationalUnit: subjectPart,
};

const subtrees = z
  .strictObject({
    dns: z.array(z.string().max(253)).max(100).optional().meta({ description: '`example.com`: it and all below it.' }),
    ip: z.array(z.string().max(43)).max(100).optional().meta({ description: 'Networks such as `10.0.0.0/8`.' }),
    email: z.array(z.string().max(254)).max(100).optional().meta({
      description: '`joe@example.com`, `example.com` (all at this host) or `.example.com` (all at hosts below it).',
    }),
    uri: z.array(z.string().max(254)).max(100).optional().meta({
      description: '`www.example.com` (this host) or `.example.com` (all hosts below it).',
    }),
    directoryName: z
      .array(z.strictObject(subjectParts))
      .max(100)
      .optional()
      .meta({ description: 'Subjects that begin with these attributes.' }),
  })
  .optional();

/** The names that a CA and all CAs below it may certify. */
export const CaNameConstraints = z.strictObject({ permitted: subtrees, excluded: subtrees }).optional().meta({
  description:
    'The names that it and all CAs below it may certify (RFC 5280 §4.2.1.10). A kind that is absent is free.',
});

/** Where the private key of a CA is made. */
export const KeyStoreChoice = z
  .enum(keyStoreNames)
  .optional()
  .meta({
    description:
      'Where its private key is made and stays: `sealed` in the database (default), or `pkcs11`, in the token of the ' +
      'settings, which signs and never gives it out. An imported key is sealed.',
  });

/** How long the certificate of a CA is to be valid. */
export const CaValidity = {
  validityStart: Instant.optional(),
  validityEnd: Instant.optional(),
  validityYears: yearsUpTo(50).optional(),
  validityDays: z.int().min(1).max(18_300).optional(),
};

/** For `refine`. */
export const oneLength: [
  (asked: Partial<Record<keyof typeof CaValidity, unknown>>) => boolean,
  z.core.$ZodCustomParams,
] = [
  (r) => [r.validityYears, r.validityDays, r.validityEnd].filter((v) => v !== undefined).length <= 1,
  { message: 'Give only one of validityEnd, validityYears and validityDays.', path: ['validityEnd'] },
];

/** The extensions that a request may name: what every CA certificate has. Anything else is refused by name. */
export const CaExtensions = z
  .strictObject({
    basicConstraints: z
      .strictObject({ ca: z.literal(true).optional(), pathLength: z.int().min(0).max(10).nullish() })
      .optional(),
    keyUsage: z
      .strictObject({ useKeyCertSign: z.literal(true).optional(), useCRLSign: z.literal(true).optional() })
      .optional(),
    subjectKeyIdentifier: z.strictObject({ includeSKI: z.literal(true).optional() }).optional(),
    authorityKeyIdentifier: z
      .strictObject({ useKeyIdentifier: z.literal(true).optional(), useAuthorityCert: z.literal(false).optional() })
      .optional(),
    subAltNames: z
      .strictObject({ names: z.array(z.unknown()).max(0, 'A CA is known by its subject, not by other names.') })
      .optional(),
    custom: z.array(z.unknown()).max(0, 'A CA certificate has no extensions of its own here.').optional(),
  })
  .meta({ id: 'CaExtensions' });
