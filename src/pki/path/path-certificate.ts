import type { RawExtension } from '../../plugin-api/terms.js';
import { isSelfIssued, type ParsedCertificate } from '../certificate.js';
import { DerError } from '../der/reader.js';
import { ExtensionOid } from '../extensions.js';
import { nameKey } from '../names.js';
import { PkiError } from '../pki-error.js';
import { type Finding, finding } from './faults.js';
import {
  type ConstrainedNames,
  constrainedNames,
  type NameConstraints,
  readNameConstraints,
} from './name-constraints.js';
import {
  type PolicyFacts,
  readInhibitAnyPolicy,
  readPolicies,
  readPolicyConstraints,
  readPolicyMappings,
} from './policies.js';

/** A certificate with everything that a path of it needs, read once. */
export interface PathCertificate extends PolicyFacts {
  certificate: ParsedCertificate;
  /** See `nameKey`; null for a name that cannot be read, which matches no other one. */
  subjectKey: string | null;
  issuerKey: string | null;
  selfIssued: boolean;
  names: ConstrainedNames;
  nameConstraints?: NameConstraints;
  /** Extensions that cannot be read. */
  malformed: readonly Finding[];
}

/** Trust anchors are read once, not for each path. */
const read = new WeakMap<ParsedCertificate, PathCertificate>();

/** Never throws: what cannot be read is in `malformed`. */
export function pathCertificate(certificate: ParsedCertificate): PathCertificate {
  const known = read.get(certificate) ?? readPathCertificate(certificate);
  read.set(certificate, known);
  return known;
}

function readPathCertificate(certificate: ParsedCertificate): PathCertificate {
  const malformed: Finding[] = [];
  const attempt = <T>(what: string, source: string, read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof DerError) && !(error instanceof PkiError)) throw error;
      malformed.push(finding('encoding', source, `${what}: ${error.message}`));
      return undefined;
    }
  };
  const value = <T>(oid: string, what: string, source: string, read: (valueDer: Buffer) => T): T | undefined => {
    const extension = extensionOf(certificate, oid);
    return extension && attempt(what, source, () => read(extension.valueDer));
  };
  const { subjectDer, issuerDer } = certificate;
  const sanDer = extensionOf(certificate, ExtensionOid.subjectAltName)?.valueDer;
  return {
    certificate,
    subjectKey: attempt('Subject', 'RFC 5280 §4.1.2.6', () => nameKey(subjectDer)) ?? null,
    issuerKey: attempt('Issuer', 'RFC 5280 §4.1.2.4', () => nameKey(issuerDer)) ?? null,
    selfIssued: attempt('Subject', 'RFC 5280 §4.1.2.6', () => isSelfIssued(certificate)) ?? false,
    names: attempt('Names', 'RFC 5280 §4.2.1.6', () => constrainedNames(subjectDer, sanDer)) ?? [],
    nameConstraints: value(ExtensionOid.nameConstraints, 'Name constraints', 'RFC 5280 §4.2.1.10', readNameConstraints),
    policies: value(ExtensionOid.certificatePolicies, 'Policies', 'RFC 5280 §4.2.1.4', readPolicies),
    mappings: value(ExtensionOid.policyMappings, 'Policy mappings', 'RFC 5280 §4.2.1.5', readPolicyMappings) ?? [],
    ...value(ExtensionOid.policyConstraints, 'Policy constraints', 'RFC 5280 §4.2.1.11', readPolicyConstraints),
    inhibitAny: value(ExtensionOid.inhibitAnyPolicy, 'Inhibit anyPolicy', 'RFC 5280 §4.2.1.14', readInhibitAnyPolicy),
    malformed,
  };
}

/** The first extension with this OID. */
export function extensionOf({ extensions }: ParsedCertificate, oid: string): RawExtension | undefined {
  return extensions.find((extension) => extension.oid === oid);
}
