import { blame } from '../../platform/http/blame.js';
import { invalid } from '../../platform/http/problem.js';
import { normaliseSan } from '../../pki/subject-alt-name.js';
import type { KeyUsage, SubjectAltName } from '../../plugin-api/terms.js';
import { caUsages } from '../terms.js';
import { extendedKeyUsageOf, keyUsageOf, sansOf } from './extensions.schema.js';
import type { IssueRequest } from './issue.schema.js';

const serverAuthentication = '1.3.6.1.5.5.7.3.1';

/** The names in the extensions of a request, in their one spelling. Throws Problem `invalid-request`. */
export function namesOf(request: IssueRequest): SubjectAltName[] {
  return sansOf(request.extensions).map((san, index) =>
    blame(`extensions.subAltNames.names.${index}.value`, () => normaliseSan(san)),
  );
}

/**
 * A common name that looks like a host or address is a name like the others: clients look only there (RFC 9525 §6.3).
 */
export function withCommonName(commonName: string | undefined, names: readonly SubjectAltName[]): SubjectAltName[] {
  if (!commonName || /\s/.test(commonName)) return unique(names);
  for (const type of ['ip', 'dns'] as const) {
    try {
      return unique([normaliseSan({ type, value: commonName }), ...names]);
    } catch {
      // Not a name of this type: a person's or a product's name stays in the subject only.
    }
  }
  return unique(names);
}

function unique(names: readonly SubjectAltName[]): SubjectAltName[] {
  return [...new Map(names.map((name) => [`${name.type}:${name.value}`, name])).values()];
}

/** The usages of a request, or what a key of this type is usually for. Throws Problem `invalid-request`. */
export function usagesOf({ extensions }: IssueRequest, keyType: string): readonly KeyUsage[] {
  const usual: readonly KeyUsage[] = keyType.startsWith('RSA')
    ? ['digitalSignature', 'keyEncipherment']
    : ['digitalSignature'];
  const usages = some(keyUsageOf(extensions, usual), usual);
  if (usages.some((usage) => caUsages.includes(usage))) {
    throw invalid(
      'extensions.keyUsage',
      'Only an authority signs certificates and CRLs; authorities are made at /authorities.',
    );
  }
  return usages;
}

/** The OIDs of the extended usages of a request, or of server authentication. Throws Problem `invalid-request`. */
export function purposesOf({ extensions }: IssueRequest): readonly string[] {
  const usual = [serverAuthentication];
  return some(extendedKeyUsageOf(extensions, usual), usual);
}

/**
 * Lemur's page sends members that are all false where nothing was ticked. A certificate that names no usage could be
 * used for everything (RFC 5280 §4.2.1.3, §4.2.1.12): then the usual ones stand.
 */
function some<T>(usages: readonly T[], usual: readonly T[]): readonly T[] {
  return usages.length > 0 ? usages : usual;
}
