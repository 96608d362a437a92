import { isIP } from 'node:net';
import { blame } from '../../platform/http/blame.js';
import { type FaultSink, refuseAtOnce } from '../../platform/http/faults.js';
import { normaliseNewSan, normaliseSan } from '../../pki/subject-alt-name.js';
import type { KeyUsage, SubjectAltName } from '../../plugin-api/terms.js';
import type { Implied } from '../../profiles/asked-terms.js';
import { fits } from '../../profiles/usage-rules.js';
import { caUsages } from '../terms.js';
import { extendedKeyUsageOf, keyUsageOf, sansOf } from './extensions.schema.js';
import type { IssueRequest } from './issue.schema.js';

const serverAuthentication = '1.3.6.1.5.5.7.3.1';

/** The names in `extensions.subAltNames` of a request, normalised; `faults` takes those that are no names. */
export function namesOf(request: IssueRequest, faults: FaultSink = refuseAtOnce): SubjectAltName[] {
  return sansOf(request.extensions).flatMap((san, index) =>
    faults.keep(() => blame(`extensions.subAltNames.names.${index}.value`, () => [normaliseNewSan(san)]), []),
  );
}

/**
 * Adds a common name that looks like a DNS name or an IP address to the subject alternative names, because clients
 * check only these (RFC 9525 §6.3). Removes duplicates.
 */
export function withCommonName(commonName: string | undefined, names: readonly SubjectAltName[]): SubjectAltName[] {
  if (!commonName || /\s/.test(commonName)) return unique(names);
  try {
    return unique([normaliseSan({ type: isIP(commonName) === 0 ? 'dns' : 'ip', value: commonName }), ...names]);
  } catch {
    // The name of a person or product stays in the subject only.
    return unique(names);
  }
}

/** As `withCommonName`, for several common names, which come first in their order. */
export function withCommonNames(
  commonNames: readonly string[],
  names: readonly SubjectAltName[],
): readonly SubjectAltName[] {
  return commonNames.reduceRight<readonly SubjectAltName[]>((others, one) => withCommonName(one, others), names);
}

function unique(names: readonly SubjectAltName[]): SubjectAltName[] {
  return [...new Map(names.map((name) => [`${name.type}:${name.value}`, name])).values()];
}

/** The names that are not among `asked`. */
export function without(names: readonly SubjectAltName[], asked: readonly SubjectAltName[]): SubjectAltName[] {
  return names.filter(({ type, value }) => !asked.some((one) => one.type === type && one.value === value));
}

/** Which usages a request does not name. */
export function impliedUsages({ extensions }: IssueRequest): Pick<Implied, 'keyUsage' | 'extendedKeyUsage'> {
  return {
    keyUsage: keyUsageOf(extensions, []).length === 0,
    extendedKeyUsage: extendedKeyUsageOf(extensions, []).length === 0,
  };
}

/** The key usages of a request, or the usual ones for this type of key; `faults` takes those of CAs. */
export function usagesOf(
  { extensions }: IssueRequest,
  keyType: string,
  faults: FaultSink = refuseAtOnce,
): readonly KeyUsage[] {
  const usual = usualUsages(keyType);
  const usages = some(keyUsageOf(extensions, usual), usual);
  if (usages.some((usage) => caUsages.includes(usage))) {
    faults.add(
      'extensions.keyUsage',
      'Only an authority signs certificates and CRLs; authorities are made at /authorities.',
    );
  }
  return usages;
}

/** The key usages of a certificate that asks for none: for TLS, as its type of key can be used. */
function usualUsages(keyType: string): readonly KeyUsage[] {
  return keyType.startsWith('RSA') ? ['digitalSignature', 'keyEncipherment'] : ['digitalSignature'];
}

/**
 * The key usages of a successor whose key is of another type: the usual ones of the new type where the old ones were
 * the usual ones of the old type and no profile decides about them, else those of the old ones that a key of the new
 * type can have (RFC 4055 §1.2, RFC 5480 §3).
 */
export function usagesForKey(
  usages: readonly KeyUsage[],
  { from, to, byProfile }: { from: string; to: string; byProfile: boolean },
): readonly KeyUsage[] {
  const usual = usualUsages(from);
  const areUsual = usages.length === usual.length && usual.every((usage) => usages.includes(usage));
  return areUsual && !byProfile ? usualUsages(to) : usages.filter((usage) => fits(usage, to));
}

/** The extended key usages of a request, as OIDs. Default: server authentication. */
export function purposesOf({ extensions }: IssueRequest): readonly string[] {
  const usual = [serverAuthentication];
  return some(extendedKeyUsageOf(extensions, usual), usual);
}

/**
 * The usual usages when a request names none. Lemur's page sends false for all when none is chosen, and a certificate
 * without usages could be used for everything (RFC 5280 §4.2.1.3, §4.2.1.12).
 */
function some<T>(usages: readonly T[], usual: readonly T[]): readonly T[] {
  return usages.length > 0 ? usages : usual;
}
