import { describe, expect, it } from 'vitest';
import * as der from './der/writer.js';
import { firstMatch, parseSubjectPattern } from './subject-pattern.js';

const under = (pattern: string, subject: object, subjectDer?: Buffer): boolean =>
  firstMatch([parseSubjectPattern(pattern)], { subject, ...(subjectDer && { subjectDer }) }) !== null;

describe('a subject pattern', () => {
  it.each<[string, object, boolean]>([
    ['O=system:masters', { organization: 'system:masters' }, true],
    ['O=system:masters', { organization: ' System:Masters ' }, true],
    ['O=system:masters', { organization: 'system:masters2' }, false],
    ['O=system:masters', { commonName: 'system:masters' }, false],
    ['o = system:*', { organization: 'system:nodes' }, true],
    ['2.5.4.11=*admin*', { organizationalUnit: 'the ADMINS' }, true],
    ['CN=a.b', { commonName: 'axb' }, false],
  ])('%s matches %j: %s', (pattern, subject, expected) => expect(under(pattern, subject)).toBe(expected));

  it('matches every attribute of a whole DN', () => {
    const o = (text: string): Buffer => der.setOf(der.sequence(der.oid('2.5.4.10'), der.utf8String(text)));
    expect(under('O=system:masters', {}, der.sequence(o('Example'), o('system:masters')))).toBe(true);
  });

  it.each(['system:masters', 'O=', 'X=a', '=a', ''])('refuses %j', (text) =>
    expect(() => parseSubjectPattern(text)).toThrow('is not a subject pattern'),
  );
});
