import type { SubjectFields } from '../plugin-api/terms.js';
import { encodeSubject, oidOfShortName, readName } from './names.js';
import { PkiError } from './pki-error.js';

/** A set of values of one attribute of subjects, such as `O=system:masters` or `OU=admin*`. Case does not count. */
export interface SubjectPattern {
  /** As it is written. */
  readonly text: string;
  readonly oid: string;
  readonly matches: (value: string) => boolean;
}

/** A `*` stands for any characters. The attribute is a name of RFC 4514 or an OID. Throws PkiError `bad-name`. */
export function parseSubjectPattern(text: string): SubjectPattern {
  const [, attribute = '', value = ''] = /^([A-Za-z]+|\d+(?:\.\d+)+)\s*=\s*(.+)$/.exec(text.trim()) ?? [];
  const oid = /^\d/.test(attribute) ? attribute : oidOfShortName(attribute);
  if (oid === undefined || value === '')
    throw new PkiError('bad-name', `"${text.slice(0, 100)}" is not a pattern of subjects such as O=system:masters`);
  const parts = value.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  const whole = new RegExp(`^${parts.join('.*')}$`, 'isu');
  return { text: text.trim(), oid, matches: (given) => whole.test(given.trim().replace(/\s+/g, ' ')) };
}

/** The first pattern that a subject falls under, or null. `subjectDer` is the whole DN where there is one. */
export function firstMatch(
  patterns: readonly SubjectPattern[],
  { subject, subjectDer }: { subject: SubjectFields; subjectDer?: Buffer },
): SubjectPattern | null {
  if (patterns.length === 0) return null;
  const attributes = readName(subjectDer ?? encodeSubject(subject)).flat();
  return patterns.find((one) => attributes.some(({ oid, text }) => oid === one.oid && one.matches(text))) ?? null;
}
