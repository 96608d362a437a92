import { describe, expect, it } from 'vitest';
import { OwnerName, RoleName } from './role-name.js';

describe.each([['RoleName', RoleName], ['OwnerName', OwnerName]] as const)('%s', (_, schema) => {
  it.each(['admin', 'Operator', ' READ-ONLY ', 'global_cert_issuer', 'creator', 'Creator', '', '  ', 'a\u0000b', 'a\nb', 'x'.repeat(129)])('refuses %j', (name) => {
    expect(schema.safeParse(name).success).toBe(false);
  });
});

it.each(['web@example.com', 'acme_admin', 'Équipe réseau', 'x'.repeat(128)])('lets a role be called %j', (name) => {
  expect(RoleName.parse(` ${name} `)).toBe(name);
});

it.each(['team-x', 'team @ example.com', 'a@example.com, b@example.com', 'Joe <joe@example.com>'])('takes no owner %j, who could not be told', (name) => {
  expect(OwnerName.safeParse(name).success).toBe(false);
});

it('lower-cases owners and leaves roles as they are written', () => {
  expect(OwnerName.parse('Web@Example.com')).toBe('web@example.com');
  expect(RoleName.parse('Web')).toBe('Web');
});
