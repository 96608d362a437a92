import { isIP } from 'node:net';
import type { ParsedCertificate } from '../certificate.js';
import { DerError, DerReader, Tag } from '../der/reader.js';
import { extensionFacts, readExtensions } from '../extension-reader.js';
import { ExtensionOid, EXTENDED_KEY_USAGES } from '../extensions.js';
import { PkiError } from '../pki-error.js';
import { serialNumber } from '../serial.js';
import { normaliseSan } from '../subject-alt-name.js';
import { type Finding, finding, type Strictness } from './faults.js';
import { extensionOf, type PathCertificate } from './path-certificate.js';

/** Where a certificate stands in its path. */
export type PathRole = 'leaf' | 'intermediate' | 'anchor';

interface Rule {
  source: string;
  says: string;
  fatal: readonly Strictness[];
  roles: readonly PathRole[];
  isBroken: (certificate: ParsedCertificate, path: PathCertificate) => boolean;
}

const LEAF: readonly PathRole[] = ['leaf'];
const CA: readonly PathRole[] = ['intermediate', 'anchor'];
const ANCHOR: readonly PathRole[] = ['anchor'];
const ALL: readonly PathRole[] = [...LEAF, ...CA];
const STRICT: readonly Strictness[] = ['rfc5280', 'webpki'];
const WEB: readonly Strictness[] = ['webpki'];

const has = (certificate: ParsedCertificate, oid: string): boolean => extensionOf(certificate, oid) !== undefined;
const critical = (certificate: ParsedCertificate, oid: string): boolean | undefined =>
  extensionOf(certificate, oid)?.critical;
const isEmptyName = (nameDer: Buffer): boolean => nameDer.length === 2;
const signsCertificates = ({ keyUsage }: ParsedCertificate): boolean => keyUsage.includes('keyCertSign');

function rule(
  [source, fatal, roles]: readonly [string, readonly Strictness[], readonly PathRole[]],
  says: string,
  isBroken: Rule['isBroken'],
): Rule {
  return { source, fatal, roles, says, isBroken };
}

const RFC_5280: readonly Rule[] = [
  rule(['X.690', STRICT, ALL], 'The certificate is not in DER', (one) => !isDer(one)),
  rule(['RFC 5280 §4.1.2.1', STRICT, ALL], 'The version is not 3', (one) => version(one) !== 2),
  // Old roots have zero, and RFC 5280 asks to be prepared for it.
  rule(
    ['RFC 5280 §4.1.2.2', STRICT, ['leaf', 'intermediate']],
    'The serial number is not positive',
    ({ serialHex }) => {
      return serialNumber(serialHex) <= 0n;
    },
  ),
  rule(['RFC 5280 §4.1.2.2', STRICT, ALL], 'The serial number has more than 20 octets', ({ serialHex }) => {
    const serial = serialNumber(serialHex);
    return BigInt.asIntN(160, serial) !== serial;
  }),
  rule(['RFC 5280 §4.1.2.4', STRICT, ALL], 'The issuer is empty', ({ issuerDer }) => isEmptyName(issuerDer)),
  rule(['RFC 5280 §4.1.2.6', STRICT, CA], 'The subject of a CA is empty', ({ subjectDer }) => isEmptyName(subjectDer)),
  rule(['RFC 5280 §4.1.2.5', STRICT, ALL], 'The certificate ends before it begins', ({ notBefore, notAfter }) => {
    return notAfter < notBefore;
  }),
  rule(['RFC 5280 §4.2.1.1', STRICT, ALL], 'The authority key identifier is critical', (one) => {
    return critical(one, ExtensionOid.authorityKeyIdentifier) === true;
  }),
  rule(['RFC 5280 §4.2.1.1', STRICT, ALL], 'The authority key identifier is missing', (one, { selfIssued }) => {
    return !selfIssued && one.authorityKeyIdentifier === undefined;
  }),
  rule(['RFC 5280 §4.2.1.2', STRICT, ALL], 'The subject key identifier is critical', (one) => {
    return critical(one, ExtensionOid.subjectKeyIdentifier) === true;
  }),
  rule(['RFC 5280 §4.2.1.2', STRICT, CA], 'The subject key identifier is missing', (one) => {
    return one.subjectKeyIdentifier === undefined;
  }),
  rule(['RFC 5280 §4.2.1.3', STRICT, ALL], 'The key usage is empty', (one) => {
    return has(one, ExtensionOid.keyUsage) && one.keyUsage.length === 0;
  }),
  rule(['RFC 5280 §4.2.1.9', STRICT, ALL], 'The key may sign certificates, but this is no CA certificate', (one) => {
    return signsCertificates(one) && !one.isCa;
  }),
  rule(['RFC 5280 §4.2.1.9', STRICT, ALL], 'A path length is given without the right to sign certificates', (one) => {
    return one.pathLength !== undefined && !(one.isCa && signsCertificates(one));
  }),
  rule(['RFC 5280 §4.2.1.9', STRICT, CA], 'The basic constraints are not critical', (one) => {
    return critical(one, ExtensionOid.basicConstraints) !== true;
  }),
  rule(['RFC 5280 §4.2.1.6', STRICT, ALL], 'The subject is empty and the SAN extension is not critical', (one) => {
    return isEmptyName(one.subjectDer) && critical(one, ExtensionOid.subjectAltName) !== true;
  }),
  rule(['RFC 5280 §4.2.1.6', STRICT, LEAF], 'A SAN is not a valid name of its type', (one) => {
    return one.subjectAltNames.some((name) => !isValidSan(name));
  }),
  rule(['RFC 5280 §4.2.1.10', ['rfc5280'], CA], 'The name constraints are not critical', (one) => {
    return critical(one, ExtensionOid.nameConstraints) === false;
  }),
  rule(['RFC 5280 §4.2.1.10', STRICT, LEAF], 'The certificate has name constraints and is no CA certificate', (one) => {
    return has(one, ExtensionOid.nameConstraints) && !one.isCa;
  }),
  rule(['RFC 5280 §4.2.1.11', STRICT, ALL], 'The policy constraints are not critical', (one) => {
    return critical(one, ExtensionOid.policyConstraints) === false;
  }),
  rule(['RFC 5280 §4.2.1.14', STRICT, ALL], 'Inhibit anyPolicy is not critical', (one) => {
    return critical(one, ExtensionOid.inhibitAnyPolicy) === false;
  }),
  rule(['RFC 5280 §4.2.1.12', STRICT, ALL], 'The extended key usage is empty', (one) => {
    return has(one, ExtensionOid.extendedKeyUsage) && one.extendedKeyUsage.length === 0;
  }),
  rule(['RFC 5280 §4.2.2.1', STRICT, ALL], 'The authority information access is critical', (one) => {
    return critical(one, ExtensionOid.authorityInfoAccess) === true;
  }),
  rule(['RFC 5280 §4.2.2.1', STRICT, ALL], 'The authority information access is malformed', (one) => !isAiaSound(one)),
];

const WEB_PKI: readonly Rule[] = [
  rule(
    ['BR §7.1.2.1.3', WEB, ANCHOR],
    'The authority key identifier of a root is more than its key identifier',
    (one) => {
      return has(one, ExtensionOid.authorityKeyIdentifier) && !isOwnKeyIdentifier(one);
    },
  ),
  rule(['BR §7.1.2.1.2', WEB, ANCHOR], 'A root has an extended key usage', (one, { selfIssued }) => {
    return selfIssued && has(one, ExtensionOid.extendedKeyUsage);
  }),
  rule(['BR §7.1.2.7.10', WEB, LEAF], 'The extended key usage is missing', (one) => {
    return !has(one, ExtensionOid.extendedKeyUsage);
  }),
  rule(['BR §7.1.2.7.10', WEB, LEAF], 'The extended key usage is for any purpose', ({ extendedKeyUsage }) => {
    return extendedKeyUsage.includes(EXTENDED_KEY_USAGES.any ?? '');
  }),
  rule(['BR §7.1.2.7.6', WEB, LEAF], 'The extended key usage is critical', (one) => {
    return critical(one, ExtensionOid.extendedKeyUsage) === true;
  }),
  rule(['BR §7.1.2.7.8', WEB, LEAF], 'A CA certificate is used as a leaf', ({ isCa }) => isCa),
  rule(['BR §7.1.2.7.12', WEB, LEAF], 'There is no SAN', ({ subjectAltNames }) => subjectAltNames.length === 0),
  rule(['BR §7.1.2.7.12', WEB, LEAF], 'The SAN extension is critical although there is a subject', (one) => {
    return critical(one, ExtensionOid.subjectAltName) === true && !isEmptyName(one.subjectDer);
  }),
  rule(['BR §7.1.4.3', WEB, LEAF], 'The common name is not a copy of a SAN', ({ subjectFields, subjectAltNames }) => {
    const { commonName } = subjectFields;
    return commonName !== undefined && !subjectAltNames.some(({ value }) => value === commonName);
  }),
  rule(['BR §3.2.2.6', WEB, LEAF], 'A wildcard is directly below a top-level domain', ({ subjectAltNames }) => {
    return subjectAltNames.some(({ type, value }) => type === 'dns' && /^\*(\.[^.]*)?$/.test(value));
  }),
  rule(['BR §6.1.5', WEB, ALL], 'The key is not one of those allowed', ({ keyType, bits }) => {
    const isRsa = /^RSA\d+$/.test(keyType) && bits >= 2048 && bits % 8 === 0;
    return !isRsa && !['ECCPRIME256V1', 'ECCSECP384R1', 'ECCSECP521R1'].includes(keyType);
  }),
  rule(['BR §7.1.3.2', WEB, ['leaf', 'intermediate']], 'The signature uses SHA-1', ({ signatureAlgorithm }) => {
    return signatureAlgorithm === 'sha1';
  }),
];

/** Every rule that a certificate in this role breaks, and whether that is fatal. */
export function deviations(
  path: PathCertificate,
  role: PathRole,
  strictness: Strictness,
): { fault: Finding; isFatal: boolean }[] {
  const rules = strictness === 'webpki' ? [...RFC_5280, ...WEB_PKI] : RFC_5280;
  return rules
    .filter(({ roles, isBroken }) => roles.includes(role) && isBroken(path.certificate, path))
    .map(({ source, says, fatal }) => ({
      fault: finding('conformity', source, says),
      isFatal: fatal.includes(strictness),
    }));
}

function reads(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch (error) {
    if (error instanceof DerError || error instanceof PkiError) return false;
    throw error;
  }
}

/** The certificate itself and the extensions that are known here; what others hold is not looked at. */
function isDer({ der, extensions }: ParsedCertificate): boolean {
  return reads(() => {
    const outer = DerReader.enter(der);
    const tbs = outer.enter();
    outer.raw(Tag.sequence);
    outer.bitString();
    outer.end();
    for (tbs.enterIf(0xa0)?.integer(); tbs.more;) {
      const wrapper = tbs.enterIf(0xa3);
      if (wrapper) readExtensions(wrapper.enter());
      else if (tbs.peek() === Tag.integer) tbs.integer();
      else tbs.next();
    }
    extensionFacts(extensions);
  });
}

function version({ tbsDer }: ParsedCertificate): number {
  const explicit = DerReader.enter(tbsDer, Tag.sequence, 'ber').enterIf(0xa0);
  return explicit ? explicit.integer().readUInt8() : 0;
}

/** RFC 5280 §4.2.1.6: host names in preferred syntax and in ASCII, which an address is not. */
function isValidSan(name: ParsedCertificate['subjectAltNames'][number]): boolean {
  if (!/^[\x00-\x7f]*$/.test(name.value) || (name.type === 'dns' && isIP(name.value) !== 0)) return false;
  if (name.type === 'dns' && name.value === '*') return true;
  return reads(() => normaliseSan(name));
}

function isAiaSound(one: ParsedCertificate): boolean {
  const extension = extensionOf(one, ExtensionOid.authorityInfoAccess);
  return (
    !extension ||
    reads(() => {
      const reader = DerReader.enter(extension.valueDer);
      if (!reader.more) throw new DerError('Empty');
      while (reader.more) {
        const access = reader.enter();
        access.oid();
        access.next();
        access.end();
      }
    })
  );
}

/** Only `keyIdentifier`, and that of the certificate itself. */
function isOwnKeyIdentifier(one: ParsedCertificate): boolean {
  const extension = extensionOf(one, ExtensionOid.authorityKeyIdentifier);
  if (!extension || one.authorityKeyIdentifier === undefined) return false;
  const alone = 4 + one.authorityKeyIdentifier.length / 2;
  return extension.valueDer.length === alone && one.authorityKeyIdentifier === one.subjectKeyIdentifier;
}
