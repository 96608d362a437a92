import { EXTENDED_KEY_USAGES, ExtensionOid, extendedKeyUsageName } from '../extensions.js';
import type { SubjectAltName } from '../../plugin-api/terms.js';
import { EC, readSpki } from '../key-names.js';
import { Tag } from '../der/reader.js';
import type { CandidatePath } from './build-paths.js';
import { deviations, type PathRole } from './conformity.js';
import { type Finding, finding, type PathFault, type Strictness } from './faults.js';
import { type ComparisonBudget, constraintViolation } from './name-constraints.js';
import { extensionOf, type PathCertificate } from './path-certificate.js';
import { policyFault, type WantedPolicies } from './policies.js';
import { isNamed } from './server-name.js';

/** What a path is to be good for. */
export interface PathDemands {
  at: Date;
  strictness: Strictness;
  /** Dotted OIDs of extended key usages, of which the path must serve each. */
  purposes: readonly string[];
  /** The normalised name that the leaf must hold. */
  name?: SubjectAltName;
  policies: WantedPolicies;
  /** At most so many intermediates that are not self-issued. */
  mostIntermediates?: number;
}

/** `faults` is empty for a valid path; `warnings` are deviations that this strictness tolerates. */
export interface PathFindings {
  faults: PathFault[];
  warnings: PathFault[];
}

/**
 * The checks of RFC 5280 §6.1 on a path (leaf first, anchor last) whose signatures are right. All are made; `budget`
 * bounds what the names cost.
 */
export function validatePath(path: CandidatePath, demands: PathDemands, budget: ComparisonBudget): PathFindings {
  const found: PathFindings = { faults: [], warnings: [] };
  for (const [depth, one] of path.entries()) {
    for (const fault of ownFaults(one, depth, path.length, demands)) found.faults.push({ ...fault, depth });
    const role: PathRole = depth === 0 ? 'leaf' : depth === path.length - 1 ? 'anchor' : 'intermediate';
    for (const { fault, isFatal } of deviations(one, role, demands.strictness))
      (isFatal ? found.faults : found.warnings).push({ ...fault, depth });
  }
  found.faults.push(...lengthFaults(path, demands), ...constraintFaults(path, budget), ...policyFaults(path, demands));
  return found;
}

/** Faults that a certificate has whatever stands above it. */
function ownFaults(one: PathCertificate, depth: number, length: number, demands: PathDemands): Finding[] {
  const isIssuer = depth > 0;
  return [
    ...one.malformed,
    ...unreadable(one),
    ...validityFaults(one, demands.at),
    ...unknownCriticalExtensions(one),
    ...keyFaults(one, isIssuer || length === 1),
    ...(isIssuer ? issuerFaults(one, depth === length - 1) : []),
    ...purposeFaults(one, demands.purposes),
    ...(depth === 0 ? nameFaults(one, demands.name) : []),
  ];
}

function unreadable({ certificate }: PathCertificate): Finding[] {
  const oids = certificate.extensions.map(({ oid }) => oid);
  const repeated = new Set(oids.filter((oid, at) => oids.indexOf(oid) !== at));
  return [
    ...certificate.unreadableExtensions.map((oid) =>
      finding('encoding', 'RFC 5280 §4.2', `The extension ${oid} is malformed`),
    ),
    ...[...repeated].map((oid) => finding('encoding', 'RFC 5280 §4.2', `The extension ${oid} is repeated`)),
  ];
}

/** Certificates count whole seconds: the last one is valid to its end. */
function validityFaults({ certificate: { notBefore, notAfter } }: PathCertificate, at: Date): Finding[] {
  const second = Math.floor(at.getTime() / 1000) * 1000;
  if (second < notBefore.getTime())
    return [finding('validity', 'RFC 5280 §6.1.3 (a)', `Not valid before ${notBefore.toISOString()}`)];
  if (second > notAfter.getTime())
    return [finding('validity', 'RFC 5280 §6.1.3 (a)', `Expired at ${notAfter.toISOString()}`)];
  return [];
}

const { subjectKeyIdentifier, keyUsage, subjectAltName, basicConstraints, nameConstraints } = ExtensionOid;
const { certificatePolicies, policyMappings, policyConstraints, inhibitAnyPolicy, extendedKeyUsage } = ExtensionOid;
const { crlDistributionPoints, freshestCrl, authorityKeyIdentifier, authorityInfoAccess, noRevAvail } = ExtensionOid;

/** Extensions that are processed here or ask for nothing, as issuer alternative names (2.5.29.18) do. */
const PROCESSED: ReadonlySet<string> = new Set<string>([
  ...[subjectKeyIdentifier, keyUsage, subjectAltName, basicConstraints, nameConstraints, extendedKeyUsage, '2.5.29.18'],
  ...[certificatePolicies, policyMappings, policyConstraints, inhibitAnyPolicy, authorityKeyIdentifier],
  ...[crlDistributionPoints, freshestCrl, authorityInfoAccess, noRevAvail, ExtensionOid.ocspNoCheck],
]);

function unknownCriticalExtensions({ certificate }: PathCertificate): Finding[] {
  return certificate.extensions
    .filter(({ oid, critical }) => critical && !PROCESSED.has(oid))
    .map(({ oid }) =>
      finding('critical-extensions', 'RFC 5280 §4.2', `The critical extension ${oid} is not known here`),
    );
}

const BROKEN_HASHES: ReadonlySet<string> = new Set(['md2', 'md4', 'md5']);

/** What anybody can forge or factor today counts as no signature. */
function keyFaults({ certificate }: PathCertificate, isAnyonesIssuer: boolean): Finding[] {
  const { keyType, bits, spkiDer, signatureAlgorithm } = certificate;
  const faults: Finding[] = [];
  if (keyType.startsWith('RSA') && bits < 1024)
    faults.push(finding('key-strength', 'NIST SP 800-131A', `The RSA key has only ${bits} bits`));
  if (!isAnyonesIssuer && BROKEN_HASHES.has(signatureAlgorithm))
    faults.push(finding('key-strength', 'RFC 6151', `The signature uses ${signatureAlgorithm}`));
  if (hasExplicitCurve(spkiDer))
    faults.push(finding('key-strength', 'RFC 5480 §2.1.1', 'The key gives its curve by numbers, not by name'));
  return faults;
}

function hasExplicitCurve(spkiDer: Buffer): boolean {
  try {
    const { oid, parameters } = readSpki(spkiDer);
    return oid === EC && parameters[0] === Tag.sequence;
  } catch {
    return false;
  }
}

/** RFC 5280 §6.1.4 (k) and (n). A root of version 1 has no extensions, and is trusted as it is. */
function issuerFaults({ certificate }: PathCertificate, isAnchor: boolean): Finding[] {
  const faults: Finding[] = [];
  const isOldRoot = isAnchor && certificate.extensions.length === 0;
  if (!certificate.isCa && !isOldRoot)
    faults.push(finding('basic-constraints', 'RFC 5280 §6.1.4 (k)', 'The issuer is no CA certificate'));
  if (extensionOf(certificate, ExtensionOid.keyUsage) && !certificate.keyUsage.includes('keyCertSign'))
    faults.push(finding('key-usage', 'RFC 5280 §6.1.4 (n)', 'The key of the issuer must not sign certificates'));
  return faults;
}

/** Purposes of issuers bound those of what they issue, as browsers and OpenSSL read them. */
function purposeFaults({ certificate }: PathCertificate, purposes: readonly string[]): Finding[] {
  const given = certificate.extendedKeyUsage;
  if (!extensionOf(certificate, ExtensionOid.extendedKeyUsage) || given.includes(EXTENDED_KEY_USAGES.any ?? ''))
    return [];
  return purposes
    .filter((purpose) => !given.includes(purpose))
    .map((purpose) =>
      finding('extended-key-usage', 'RFC 5280 §4.2.1.12', `Not for the purpose ${extendedKeyUsageName(purpose)}`),
    );
}

function nameFaults({ certificate }: PathCertificate, name: SubjectAltName | undefined): Finding[] {
  if (!name || isNamed(certificate, name)) return [];
  return [finding('name', 'RFC 9525 §6', `The certificate is not for ${name.value}`)];
}

/** RFC 5280 §6.1.4 (l) and (m), from the anchor down to the last issuer. */
function lengthFaults(path: CandidatePath, { mostIntermediates = Infinity }: PathDemands): PathFault[] {
  const source = 'RFC 5280 §6.1.4 (l)';
  let left = mostIntermediates;
  for (let depth = path.length - 1; depth > 0; depth -= 1) {
    const one = path[depth];
    if (!one) break;
    const isCounted = depth < path.length - 1 && !one.selfIssued;
    if (isCounted && left <= 0)
      return [{ check: 'path-length', depth, source, detail: 'There are more intermediates than an issuer allows' }];
    left = Math.min(isCounted ? left - 1 : left, one.certificate.pathLength ?? Infinity);
  }
  return [];
}

/** RFC 5280 §6.1.3 (b) and (c). */
function constraintFaults(path: CandidatePath, budget: ComparisonBudget): PathFault[] {
  const faults: PathFault[] = [];
  for (const [depth, { names, selfIssued }] of path.entries()) {
    if (selfIssued && depth > 0) continue;
    for (const { nameConstraints } of path.slice(depth + 1)) {
      const detail = nameConstraints && constraintViolation(names, nameConstraints, budget);
      if (detail) faults.push({ check: 'name-constraints', depth, source: 'RFC 5280 §6.1.3 (b)', detail });
    }
  }
  return faults;
}

function policyFaults(path: CandidatePath, { policies }: PathDemands): PathFault[] {
  const below = path.slice(0, Math.max(path.length - 1, 1)).reverse();
  const at = policyFault(below, policies);
  const detail = 'No certificate policy that is demanded holds along the path';
  return at === null
    ? []
    : [{ check: 'policies', depth: below.length - 1 - at, source: 'RFC 5280 §6.1.3 (f)', detail }];
}
