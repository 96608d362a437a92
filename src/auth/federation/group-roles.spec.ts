import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isReserved } from '../../roles/role-name.js';
import { grantsOf, groupRules, type GroupRules } from './group-roles.js';

const rules: GroupRules = { assign: true, mapping: [], prefix: '', suffix: '', ownerDomains: [], named: [] };
const mapped: GroupRules = {
  ...rules,
  mapping: [
    { group: 'admins', role: 'admin' },
    { group: 'web', role: 'web@example.com' },
    { group: 'web', role: 'helpers' },
  ],
};

describe('grantsOf', () => {
  it.each<[string, readonly string[], Partial<GroupRules>, readonly string[], readonly string[]]>([
    ['a group gives the role of its name', ['crypto', 'Équipe réseau'], {}, [], ['crypto', 'Équipe réseau']],
    ['once, whatever the case', ['Web', 'web'], {}, [], ['web']],
    [
      'a mapped group gives what it is mapped to and nothing else',
      ['web', 'x'],
      mapped,
      ['web@example.com', 'helpers'],
      ['x'],
    ],
    ['a built-in role comes by mapping', ['admins'], mapped, ['admin'], []],
    ['and the mapping takes groups as they are written', ['Admins'], mapped, [], ['Admins']],
    ['prefix and suffix stand around the name', ['web'], { prefix: 'idp-', suffix: '-x' }, [], ['idp-web-x']],
    ['a prefix makes no built-in role', ['min', 'MIN'], { prefix: 'ad' }, [], []],
    ['a suffix makes no built-in role', ['read'], { suffix: '-only' }, [], []],
    ['an address gives nothing', ['web@example.com', 'web＠example.com'], {}, [], []],
    [
      'an address in an owner domain gives its owner role',
      ['Web@Example.com', 'x@sub.example.com', 'a b@example.com'],
      { ownerDomains: ['example.com'] },
      ['web@example.com'],
      [],
    ],
    [
      'a suffix makes addresses where they count',
      ['web'],
      { suffix: '@example.com', ownerDomains: ['example.com'] },
      ['web@example.com'],
      [],
    ],
    ['a suffix makes no addresses elsewhere', ['web'], { suffix: '@example.com' }, [], []],
    ['the form of the roles of authorities gives nothing', ['issuing_admin', 'Issuing_Operator'], {}, [], []],
    ['nor does what no role can be called', ['', ' ', 'a\u0000b', 'a\nb', 'x'.repeat(129)], {}, [], []],
    [
      'a role that the settings name comes by mapping alone',
      ['Bank', 'web', 'x'],
      { named: ['bank', 'Web'] },
      [],
      ['x'],
    ],
    ['and then it comes', ['web'], { ...mapped, named: ['helpers'] }, ['web@example.com', 'helpers'], []],
    ['nothing at all when groups do not count', ['admins', 'x'], { ...mapped, assign: false }, [], []],
  ])('%s', (_, groups, changed, given, ofGroups) => {
    expect(grantsOf(groups, { ...rules, ...changed })).toEqual({ given, ofGroups });
  });

  it.each([
    'admin',
    'ADMIN',
    ' admin ',
    'аdmin',
    'аԁмі n',
    'ａｄｍｉｎ',
    'ad\u200bmin',
    'ad\u00admin',
    'ádmin',
    'adm1n',
    'admın',
    'admIn',
    'admln',
    '𝐚𝐝𝐦𝐢𝐧',
    'operator',
    'οperatοr',
    '0perator',
    'read-only',
    'Read Only',
    'read_only',
    'read‐only',
    'readonly',
    'global_cert_issuer',
    'Global Cert Issuer',
    'creator',
  ])('%j gives nothing', (group) => {
    expect(grantsOf([group], rules)).toEqual({ given: [], ofGroups: [] });
  });

  it.each(['administrators', 'operators', 'pki-admin', 'readers', 'создатели', 'administration'])(
    '%j is a group like any other',
    (group) => {
      expect(isReserved(group)).toBe(false);
      expect(grantsOf([group], rules).ofGroups).toEqual([group]);
    },
  );

  it('never gives a reserved name that no mapping names', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.mixedCase(
        fc.constantFrom('admin', 'operator', 'read-only', 'global_cert_issuer', 'creator', 'min', 'ad', 'only'),
      ),
    );
    fc.assert(
      fc.property(fc.array(text), text, text, (groups, prefix, suffix) => {
        const { given, ofGroups } = grantsOf(groups, { ...rules, prefix, suffix, ownerDomains: ['example.com'] });
        expect([...given, ...ofGroups].filter(isReserved)).toEqual([]);
      }),
    );
  });

  it('reads a thousand groups and no more', () => {
    expect(
      grantsOf(
        Array.from({ length: 5000 }, (_, i) => `group ${i}`),
        rules,
      ).ofGroups,
    ).toHaveLength(1000);
  });
});

describe('groupRules', () => {
  it.each(['Admin', 'creator', 'аdmin', 'read only', 'x'.repeat(129)])('refuses a mapping to %j', (role) => {
    expect(() => groupRules({ ...rules, mapping: [{ group: 'x', role }] })).toThrow(/IDP_ROLES_MAPPING/);
  });

  it('takes the built-in roles by name', () => {
    expect(groupRules(mapped)).toBe(mapped);
  });
});
