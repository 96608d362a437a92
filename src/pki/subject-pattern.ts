import type { SubjectFields } from '../plugin-api/terms.js';
import { encodeSubject, oidOfShortName, readName } from './names.js';
import { PkiError } from './pki-error.js';

/** A pattern for values of one subject attribute, e.g. `O=system:masters` or `OU=admin*`. Case does not matter. */
export interface SubjectPattern {
  /** As written. */
  readonly text: string;
  readonly oid: string;
  readonly matches: (value: string) => boolean;
}

/** `*` matches any characters. The attribute is a name of RFC 4514 or an OID. Throws PkiError `bad-name`. */
export function parseSubjectPattern(text: string): SubjectPattern {
  const [, attribute = '', value = ''] = /^([A-Za-z]+|\d+(?:\.\d+)+)\s*=\s*(.+)$/.exec(text.trim()) ?? [];
  const oid = /^\d/.test(attribute) ? attribute : oidOfShortName(attribute);
  if (oid === undefined || value === '')
    throw new PkiError('bad-name', `"${text.slice(0, 100)}" is not a subject pattern like O=system:masters`);
  const parts = value.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  const whole = new RegExp(`^${parts.join('.*')}$`, 'isu');
  return { text: text.trim(), oid, matches: (given) => whole.test(given.trim().replace(/\s+/g, ' ')) };
}

/** The first pattern that matches a subject, or null. `subjectDer` is the whole DN, if known. */
export function firstMatch(
  patterns: readonly SubjectPattern[],
  { subject, subjectDer }: { subject: SubjectFields; subjectDer?: Buffer },
): SubjectPattern | null {
  if (patterns.length === 0) return null;
  const attributes = readName(subjectDer ?? encodeSubject(subject)).flat();
  return patterns.find((one) => attributes.some(({ oid, text }) => oid === one.oid && one.matches(text))) ?? null;
}
