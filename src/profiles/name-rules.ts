import { PkiError } from '../pki/pki-error.js';
import { normaliseSan } from '../pki/subject-alt-name.js';
import type { SanType, SubjectAltName } from '../plugin-api/terms.js';
import type { Asked, Judged, Violation } from './asked-terms.js';
import { commonNameKinds, type ProfileRules } from './profile-rules.schema.js';

// Rules on subject alternative names (RFC 5280 §4.2.1.6). Pure functions.

const words: Readonly<Record<SanType, string>> = {
  dns: 'DNS name',
  ip: 'IP address',
  email: 'e-mail address',
  uri: 'URI',
  registeredId: 'registered ID',
};

/** The requested names, with the common names added that the profile has read as one. */
export function judgeNames(
  { names: rules }: ProfileRules,
  commonNames: readonly string[],
  asked: Asked,
): Judged<SubjectAltName[]> {
  const { terms, implied } = asked;
  if (!rules) return { value: [...terms.subjectAltNames], violations: [] };
  const requested = terms.subjectAltNames.filter((name) => !implied.subjectAltNames.some((one) => isSame(one, name)));
  const kinds = rules.fromCommonName ?? ['dns', 'ip'];
  const own = commonNames.flatMap((commonName) => commonNameAs(commonName, kinds) ?? []);
  const value = [...own, ...requested].filter((name, i, all) => i === all.findIndex((one) => isSame(one, name)));
  const field = asked.fromCsr ? 'csr' : 'extensions.subAltNames';
  const violations: Violation[] = [];
  for (const type of Object.keys(words) as SanType[]) {
    const ofType = value.filter((name) => name.type === type);
    if (rules[type] === 'forbidden')
      for (const name of ofType) violations.push({ field, text: `The ${words[type]} ${name.value} is not allowed.` });
    if (rules[type] === 'required' && ofType.length === 0)
      violations.push({ field, text: `At least one ${words[type]} is required.` });
  }
  if (rules.atLeastOne && value.length === 0)
    violations.push({ field, text: 'At least one subject alternative name is required.' });
  return { value, violations };
}

/** The common name as the first of these kinds that it can be read as. */
function commonNameAs(commonName: string, kinds: readonly (typeof commonNameKinds)[number][]): SubjectAltName | null {
  if (commonName === '' || /\s/.test(commonName)) return null;
  // An IP address is no DNS name, but some e-mail addresses of hosts without a dot would be read as either.
  for (const type of ['ip', 'email', 'dns'] as const) {
    if (!kinds.includes(type)) continue;
    try {
      return normaliseSan({ type, value: commonName });
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
    }
  }
  return null;
}

function isSame(a: SubjectAltName, b: SubjectAltName): boolean {
  return a.type === b.type && a.value === b.value;
}
