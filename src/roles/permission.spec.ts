import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemActor } from '../platform/http/actor.js';
import {
  isAdmin,
  mayActOn,
  mayDeliverAnything,
  mayIssueFrom,
  mayReadKey,
  mayUseAnyDomain,
  permissions,
  permissionsOf,
  type Permission,
} from './permission.js';

const carrier = { permissions: ['key:read'] };
const actor = (...names: string[]) => ({
  userId: 5,
  permissions: permissionsOf(names),
  roles: names.map((name, i) => ({
    id: i + 10,
    name,
    permissions: name.toLowerCase() === 'web@example.com' ? ['key:read'] : [],
  })),
});
const inStrictMode = { strictRoles: true, adminOnlyAuthorityCreation: true };
const web = { owner: 'web@example.com', roleIds: [40], roleNames: ['helpers'], creatorId: 9 };

describe('permissionsOf', () => {
  it('gives admin every permission', () => {
    expect(permissionsOf(['x', 'admin'])).toEqual(permissions);
  });

  it.each<[Permission, boolean]>([
    ['certificate:read', true],
    ['certificate:issue', true],
    ['certificate:import', true],
    ['key:read', true],
    ['self', true],
    ['authority:create', false],
    ['destination:write', false],
    ['notification:write', true],
    ['policy:write', false],
    ['audit:read', false],
    ['user:write', false],
    ['role:write', false],
    ['job:write', false],
    ['mail:read', false],
  ])('an ordinary user: %s is %s', (permission, expected) => {
    expect(permissionsOf([]).has(permission)).toBe(expected);
    expect(permissionsOf(['web@example.com', 'global_cert_issuer', 'creator']).has(permission)).toBe(expected);
  });

  it('gives an operator every permission of an ordinary user, and more', () => {
    for (const permission of permissionsOf([]))
      expect(permissionsOf(['operator']).has(permission), permission).toBe(true);
    expect(permissionsOf(['operator']).has('job:write')).toBe(true);
    expect(permissionsOf(['operator']).has('user:write')).toBe(false);
  });

  it('lets an ordinary user in strict mode change only their own account, and leaves other roles unchanged', () => {
    const strict = permissionsOf(['web@example.com'], inStrictMode);
    for (const permission of strict)
      expect(permission).toMatch(/:(read|export|credentials)$|^self$|^(apikey:write|password:change|session:close)$/);
    expect([
      strict.has('certificate:read'),
      strict.has('key:read'),
      strict.has('certificate:issue'),
      strict.has('delivery:retry'),
    ]).toEqual([true, true, false, false]);
    for (const names of [['admin'], ['operator'], ['read-only'], ['admin', 'read-only']])
      expect(permissionsOf(names, inStrictMode)).toEqual(permissionsOf(names));
  });

  it('lets ordinary users and operators create authorities if the settings allow it', () => {
    const makes = (strictRoles: boolean, ...names: string[]) =>
      permissionsOf(names, { strictRoles, adminOnlyAuthorityCreation: false }).has('authority:create');
    expect([
      makes(false, 'web@example.com'),
      makes(false, 'operator'),
      makes(true, 'operator'),
      makes(true, 'web@example.com'),
      makes(false, 'read-only', 'operator'),
    ]).toEqual([true, true, true, false, false]);
  });

  it('is never empty, since an empty set could be read as no restriction', () => {
    for (const rules of [undefined, inStrictMode])
      for (const names of [[], ['read-only'], ['x']]) expect(permissionsOf(names, rules).size).toBeGreaterThan(5);
  });

  it('lets read-only override every other role', () => {
    fc.assert(
      fc.property(
        fc.subarray(['admin', 'operator', 'global_cert_issuer', 'a@b.example']),
        fc.boolean(),
        (others, first) => {
          const names = first ? ['Read-Only', ...others] : [...others, 'read-only'];
          for (const permission of permissionsOf(names))
            expect(permission).toMatch(/:read$|^self$|^(apikey:write|password:change|session:close)$/);
          expect(permissionsOf(names).has('key:read')).toBe(false);
          expect(permissionsOf(names).size).toBeGreaterThan(0);
        },
      ),
    );
  });
});

describe('object rules', () => {
  const rules = [mayActOn, mayReadKey, mayIssueFrom];
  const verdicts = (...names: string[]) => rules.map((rule) => rule(actor(...names), web));

  it.each<[string[], boolean[]]>([
    [['admin'], [true, true, true]],
    [['WEB@example.com'], [true, true, true]],
    [['helpers'], [true, false, true]],
    [['operator'], [false, false, true]],
    [['other'], [false, false, false]],
    [['creator'], [false, false, false]],
    [[], [false, false, false]],
    [
      ['admin', 'web@example.com', 'helpers', 'operator', 'read-only'],
      [false, false, false],
    ],
  ])('holder of %j: act, read key, issue are %j', (names, expected) => {
    expect(verdicts(...names)).toEqual(expected);
  });

  it('grants changes to roles linked by id, and the key only to linked roles with key:read', () => {
    const linked = { ...actor(), roles: [{ id: 40, name: 'crew', permissions: [] }] };
    expect(rules.map((rule) => rule(linked, web))).toEqual([true, false, true]);
    const carrying = { ...actor(), roles: [{ id: 40, name: 'crew', ...carrier }] };
    expect(rules.map((rule) => rule(carrying, web))).toEqual([true, true, true]);
  });

  it('refuses the key to an unlinked role with key:read, and to an owner role without it', () => {
    expect(
      mayReadKey(
        {
          ...actor(),
          roles: [
            { id: 41, name: 'crew', ...carrier },
            { id: 40, name: 'helpers?', permissions: [] },
          ],
        },
        web,
      ),
    ).toBe(false);
    expect(mayReadKey({ ...actor(), roles: [{ id: 3, name: 'web@example.com', permissions: [] }] }, web)).toBe(false);
  });

  it('refuses the key to an API key without the scope key:read, whatever the roles of its user', () => {
    for (const name of ['admin', 'web@example.com']) {
      const permissions = new Set(permissionsOf([name]));
      permissions.delete('key:read');
      expect(mayReadKey({ ...actor(name), permissions }, web)).toBe(false);
    }
    expect(
      [actor('operator'), { ...actor('operator'), permissions: new Set<string>() }].map(mayDeliverAnything),
    ).toEqual([true, false]);
  });

  it('lets the creator change the object, but not read the key or issue', () => {
    expect(rules.map((rule) => rule({ userId: 9, permissions: permissionsOf([]), roles: [] }, web))).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('treats an object without a creator as created by no user', () => {
    expect(mayActOn({ userId: 0, roles: [] }, { owner: 'x', creatorId: 0 })).toBe(false);
    expect(mayActOn({ userId: 5, roles: [] }, { owner: 'x', creatorId: null })).toBe(false);
  });

  it.each(['operator', 'Global_Cert_Issuer', 'creator'])(
    'makes no holder of %s an owner because a row says so',
    (name) => {
      expect(mayReadKey(actor(name), { owner: name })).toBe(false);
      expect(mayActOn(actor(name), { owner: name })).toBe(false);
    },
  );

  it('lets admin and global_cert_issuer use any domain unless they are read-only', () => {
    expect(
      [['admin'], ['global_cert_issuer'], ['operator'], ['global_cert_issuer', 'read-only']].map((names) =>
        mayUseAnyDomain(actor(...names)),
      ),
    ).toEqual([true, true, false, false]);
  });

  it('lets the system actor do everything', () => {
    const system = systemActor('job-1');
    expect(isAdmin(system) && rules.every((rule) => rule(system, web)) && system.permissions.has('job:write')).toBe(
      true,
    );
  });
});
