import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { type CreateAuthorityRequest, defineIssuer, type CertificateRequest } from '../../src/plugin-api/issuer.js';
import type { Options } from '../../src/plugin-api/options.js';
import type { Publication } from '../../src/plugin-api/publication.js';
import type { IssuerExtension, RawExtension } from '../../src/plugin-api/terms.js';
import { certificateSigning } from '../../src/pki/certificate-signing.js';
import type { CertificateContent } from '../../src/pki/certificate-writer.js';
import type { ParsedCertificate } from '../../src/pki/certificate.js';
import * as extensions from '../../src/pki/extensions.js';
import { keyIdentifierOf } from '../../src/pki/key.js';
import { encodeSubject, sameName } from '../../src/pki/names.js';
import { toPem } from '../../src/pki/pem.js';
import { PkiError } from '../../src/pki/pki-error.js';
import { newSerial } from '../../src/pki/serial.js';
import { signatureAlgorithmOf } from '../../src/pki/sign.js';
import { checkNames, checkPathLength, violations } from './chain-limits.js';
import { issuingCa, type IssuingCa, limitsOf, parentCa, requireSigner } from './issuing-ca.js';
import { addressesOfSerial, constantAddresses, publishedAt, shardMark, writtenBy } from './service-addresses.js';

/** An ASCII URL; others are converted to punycode and percent-encoding. */
const url = z
  .url({ protocol: /^(https?|ldap)$/ })
  .refine((text) => encodes(() => extensions.crlDistributionPoints([text])), 'Expected a URL in ASCII');
const policy = z
  .string()
  .regex(/^[0-2](\.\d{1,20}){1,20}$/)
  .refine(
    (text) => encodes(() => extensions.certificatePolicies([text])),
    'Expected an object identifier, e.g. 2.23.140.1.2.1',
  );

function encodes(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

const options = z
  .strictObject({
    crlDistributionPoints: z
      .array(url)
      .max(8)
      .default([])
      .meta({
        title: 'CRL addresses',
        description:
          'URLs of the revocation list of this authority, written into every certificate it issues. In each address, ' +
          '{key} stands for the key that signs: an authority that is renewed with a new key has one list for each.',
      }),
    caIssuers: z.array(url).max(8).default([]).meta({
      title: 'CA certificate addresses',
      description: 'URLs from which clients fetch the certificate of this authority (DER).',
    }),
    ocsp: z.array(url).max(8).default([]).meta({
      title: 'OCSP addresses',
      description: 'URLs of the OCSP responder that answers for certificates of this authority.',
    }),
    crlShards: z
      .int()
      .min(0)
      .max(1024)
      .default(0)
      .meta({
        title: 'CRL shards',
        description:
          'How many CRLs share the certificates among them, so that each stays small; 0: one CRL has all. Each CRL ' +
          'address then has {shard} in place of the number.',
      }),
    crlHours: z.int().min(1).max(8760).default(168).meta({
      title: 'CRL lifetime',
      description: 'Hours from the making of a CRL to its next update. A new one is made when half of them are over.',
    }),
    deltaCrl: z.boolean().default(false).meta({
      title: 'Delta CRLs',
      description: 'Also publish short CRLs with what has changed since the last scheduled one (RFC 5280 §5.2.4).',
    }),
    policies: z
      .array(policy)
      .max(16)
      .default([])
      .meta({
        title: 'Certificate policies',
        description:
          'Policy OIDs of this authority in dotted form; written into ' +
          'its own certificate (except a root) and into every leaf.',
      }),
  })
  .refine(
    ({ crlDistributionPoints, crlShards }) =>
      crlDistributionPoints.every((one) => one.includes(shardMark) === crlShards > 0),
    {
      path: ['crlDistributionPoints'],
      message: `With CRL shards each address has ${shardMark} in it, without them none has`,
    },
  );

/** Options of one authority. */
export type LocalCaOptions = Options<typeof options>;

/** A CA whose key this installation holds. Answers at once, without a network. */
export const localCa = defineIssuer({
  id: 'local-ca',
  aliases: ['cryptography-issuer'],
  title: 'Local CA',
  description: 'Issues certificates from a CA whose key is kept encrypted in this installation.',
  options,
  answers: 'at-once',

  order: ({ request, authority }, given, ctx) =>
    orRefused(async () => {
      ctx.signal.throwIfAborted();
      const signer = requireSigner(authority);
      const { leaveOut } = request.terms;
      const ca = issuingCa(authority, leaveOut, (tag) => constantExtensions(given, tag, leaveOut));
      const content = leafContent(request, ca, publication(given));
      const { der, warnings } = await ca.signing.sign(content, signer, request.renews !== undefined);
      return {
        status: 'issued',
        chainPem: [toPem('CERTIFICATE', der), ...ca.chainPem],
        ...(warnings.length > 0 && { warnings: warnings.map(({ name }) => name) }),
      };
    }),

  objections({ authority, subjectDer, subjectAltNames }) {
    const limits = limitsOf(authority);
    if (limits.nameConstraints.length === 0) return [];
    const san = subjectAltNames.length > 0 ? extensions.subjectAltName(subjectAltNames, false) : undefined;
    return violations(limits, subjectDer, san?.valueDer);
  },

  addsExtensions: (given) => writtenBy(publication(given)),
  publication,
  publishAt: (given, urls) => publishedAt(publication(given), urls),

  createAuthority: (request, given, ctx) =>
    orRefused(async () => {
      ctx.signal.throwIfAborted();
      checkPeriod(request);
      return request.parent ? createSubCa(request, request.parent, given) : createRoot(request);
    }),

  // The core publishes revocation of a local CA by CRL and OCSP; there is no remote CA to notify.
  revoke: async (_, __, ctx) => ctx.signal.throwIfAborted(),
  hold: async (_, __, ctx) => ctx.signal.throwIfAborted(),
  release: async (_, __, ctx) => ctx.signal.throwIfAborted(),
});

function leafContent(
  { terms, spkiDer }: CertificateRequest,
  ca: IssuingCa,
  addresses: Publication,
): CertificateContent {
  checkPeriod(terms);
  checkWithin(terms, ca.certificate);
  const subjectDer = terms.subjectDer ?? encodeSubject(terms.subject);
  const anonymous = subjectDer.length === 2;
  if (anonymous && terms.subjectAltNames.length === 0)
    throw new PluginError('refused', 'A certificate needs a subject or an alternative name');
  if (terms.keyUsage.includes('keyCertSign'))
    throw new PluginError('refused', 'Only a CA may have the key usage keyCertSign');
  const names = terms.subjectAltNames.length > 0 ? [extensions.subjectAltName(terms.subjectAltNames, anonymous)] : [];
  checkNames(ca.limits, subjectDer, names[0]?.valueDer);
  const serial = newSerial();
  return {
    serial,
    notBefore: terms.notBefore,
    notAfter: terms.notAfter,
    subjectDer,
    spkiDer,
    extensions: [
      extensions.subjectKeyIdentifier(keyIdentifierOf(spkiDer)),
      ...(terms.keyUsage.length > 0 ? [extensions.keyUsage(terms.keyUsage)] : []),
      ...(terms.extendedKeyUsage.length > 0 ? [extensions.extendedKeyUsage(terms.extendedKeyUsage)] : []),
      ...names,
      ...addressesOfSerial(addresses, ca.keyTag, serial, terms.leaveOut),
      ...terms.extensions,
    ],
  };
}

/** What the options say about addresses and CRLs. */
function publication({ crlDistributionPoints, ocsp, caIssuers, ...rest }: LocalCaOptions): Publication {
  const { crlShards, crlHours, deltaCrl } = rest;
  return { crl: crlDistributionPoints, ocsp, caIssuers, crlShards, crlHours, deltaCrl };
}

function constantExtensions(
  options: LocalCaOptions,
  keyTag: string,
  leaveOut?: readonly IssuerExtension[],
): RawExtension[] {
  return [
    extensions.basicConstraints(false),
    ...constantAddresses(publication(options), keyTag, leaveOut),
    ...policyExtension(leaveOut?.includes('certificatePolicies') ? [] : options.policies),
  ];
}

function policyExtension(policies: readonly string[]): RawExtension[] {
  return policies.length > 0 ? [extensions.certificatePolicies(policies)] : [];
}

async function createRoot(request: CreateAuthorityRequest): Promise<{ chainPem: string[] }> {
  const { signer } = request;
  const subjectDer = caSubject(request);
  const signing = certificateSigning({
    issuerDer: subjectDer,
    issuerKeyIdentifier: caKeyIdentifier(request),
    algorithm: signatureAlgorithmOf(signer),
    constantExtensions: [],
  });
  const content = {
    ...request,
    serial: request.serial ?? newSerial(),
    subjectDer,
    spkiDer: signer.spkiDer,
    extensions: caExtensions(request),
  };
  const { der } = await signing.sign(content, signer, request.isRenewal);
  return { chainPem: [toPem('CERTIFICATE', der)] };
}

async function createSubCa(
  request: CreateAuthorityRequest,
  parent: NonNullable<CreateAuthorityRequest['parent']>,
  { policies }: LocalCaOptions,
): Promise<{ chainPem: string[] }> {
  const ca = parentCa(parent);
  const subjectDer = caSubject(request);
  checkWithin(request, ca.certificate);
  checkPathLength(request.pathLength ?? 0, ca.limits);
  checkNames(ca.limits, subjectDer);
  if (sameName(subjectDer, ca.certificate.subjectDer))
    throw new PluginError('refused', 'A subordinate CA must not have the name of its parent');
  const { spkiDer } = request.signer;
  const { serial = newSerial(), parentPublication: addresses } = request;
  const content = {
    ...request,
    serial,
    subjectDer,
    spkiDer,
    extensions: [
      ...caExtensions(request),
      ...(addresses
        ? [...constantAddresses(addresses, ca.keyTag), ...addressesOfSerial(addresses, ca.keyTag, serial)]
        : []),
      ...policyExtension(policies),
    ],
  };
  const { der } = await ca.signing.sign(content, requireSigner(parent), request.isRenewal);
  return {
    chainPem: [
      toPem('CERTIFICATE', der),
      parent.certificatePem,
      ...parent.chainPem.filter((pem) => pem !== parent.certificatePem),
    ],
  };
}

function caSubject({ subject, subjectDer = encodeSubject(subject) }: CreateAuthorityRequest): Buffer {
  if (subjectDer.length === 2) throw new PluginError('refused', 'A CA needs a subject');
  return subjectDer;
}

function caKeyIdentifier({ keyIdentifier, signer }: CreateAuthorityRequest): Buffer {
  return keyIdentifier ?? keyIdentifierOf(signer.spkiDer);
}

function caExtensions(request: CreateAuthorityRequest): RawExtension[] {
  const { pathLength, extensions: others = [] } = request;
  return [
    extensions.basicConstraints(true, pathLength),
    extensions.keyUsage(['keyCertSign', 'cRLSign']),
    extensions.subjectKeyIdentifier(caKeyIdentifier(request)),
    ...others,
  ];
}

interface Period {
  notBefore: Date;
  notAfter: Date;
}

function checkPeriod({ notBefore, notAfter }: Period): void {
  if (notBefore >= notAfter) throw new PluginError('refused', 'Validity start must be before validity end.');
}

function checkWithin({ notBefore, notAfter }: Period, ca: ParsedCertificate): void {
  if (notAfter > ca.notAfter)
    throw new PluginError('refused', `Validity end must not be after ${ca.notAfter.toISOString()}, the end of the CA.`);
  if (notBefore < ca.notBefore)
    throw new PluginError(
      'refused',
      `Validity start must not be before ${ca.notBefore.toISOString()}, the start of the CA.`,
    );
}

async function orRefused<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PkiError) throw new PluginError('refused', error.message, undefined, { cause: error });
    throw error;
  }
}
