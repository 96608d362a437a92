import { encodeName, encodeSubject, fieldsOf, type Name, readName } from '../pki/names.js';
import type { SubjectFields } from '../plugin-api/terms.js';
import type { Asked, AskedTerms, Judged, Violation } from './asked-terms.js';
import type { AttributeRule, ProfileRules } from './profile-rules.schema.js';

// Rules on the attributes of the subject. Pure functions.

type Subject = Pick<AskedTerms, 'subject' | 'subjectDer'>;

const members = ['commonName', 'country', 'state', 'location', 'organization', 'organizationalUnit'] as const;
const words: Readonly<Record<keyof SubjectFields, string>> = {
  commonName: 'common name',
  country: 'country',
  state: 'state',
  location: 'location',
  organization: 'organization',
  organizationalUnit: 'organizational unit',
};

/**
 * The subject with its fixed attributes. A member that only the settings filled in gives way to the rule for it.
 * Throws PkiError `bad-name` for a fixed value that a subject cannot hold.
 */
export function judgeSubject({ subject: rules }: ProfileRules, asked: Asked): Judged<Subject> {
  const { terms, implied } = asked;
  if (!rules) return { value: terms, violations: [] };
  const name = terms.subjectDer ? readName(terms.subjectDer) : undefined;
  const subject: SubjectFields = { ...terms.subject };
  const added: SubjectFields = {};
  const violations: Violation[] = [];
  for (const member of members) {
    const rule = rules[member] ?? 'optional';
    if (implied.subject.includes(member) && (rule === 'forbidden' || typeof rule === 'object')) delete subject[member];
    const given = name ? valuesOf(name, member) : subject[member] ? [subject[member]] : [];
    if (typeof rule === 'object' && given.length === 0 && !asked.subjectIsFinal) {
      subject[member] = rule.fixed;
      added[member] = rule.fixed;
    } else {
      const text = faultOf(rule, given, words[member]);
      if (text) violations.push({ field: asked.fromCsr ? 'csr' : member, text });
    }
  }
  if (name && rules.others === 'forbidden' && name.flat().some((attribute) => !isMember([[attribute]])))
    violations.push({
      field: 'csr',
      text: 'The subject has attributes other than CN, C, ST, L, O and OU, which is not allowed.',
    });
  return { value: withAdded({ subject, subjectDer: terms.subjectDer }, added, name), violations };
}

function faultOf(rule: AttributeRule, given: readonly string[], word: string): string | null {
  if (rule === 'required' && given.length === 0) return `The ${word} is required.`;
  if (rule === 'forbidden' && given.length > 0) return `The subject must not have a ${word}.`;
  if (typeof rule === 'object' && (given.length === 0 || given.some((value) => value !== rule.fixed)))
    return `The ${word} must be "${rule.fixed}".`;
  return null;
}

function valuesOf(name: Name, member: keyof SubjectFields): string[] {
  return name.flat().flatMap((attribute) => fieldsOf([[attribute]])[member] ?? []);
}

function isMember(name: Name): boolean {
  return Object.keys(fieldsOf(name)).length > 0;
}

/** A subject that is kept in DER gets the added attributes at its end. */
function withAdded({ subject, subjectDer }: Subject, added: SubjectFields, name: Name | undefined): Subject {
  if (!name || Object.keys(added).length === 0) return { subject, ...(subjectDer && { subjectDer }) };
  return { subject, subjectDer: encodeName([...name, ...readName(encodeSubject(added))]) };
}
