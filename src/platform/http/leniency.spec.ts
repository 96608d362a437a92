import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { validateBody } from './validate.js';

const Body = z.strictObject({
  owner: z.string(),
  notify: z.boolean().optional(),
  ttl: z.int().optional(),
  csr: z.string().optional(),
  years: z.union([z.int(), z.string().regex(/^\d$/).transform(Number)]).optional(),
  description: z.string().nullish(),
  roles: z.array(z.looseObject({ id: z.int().optional() })).optional(),
  critical: z.literal(false).optional(),
});
const reasonsOf = (body: object): string[] => {
  try {
    validateBody(Body, body);
    return [];
  } catch (error) {
    return Object.keys((error as { extra: { reasons: object } }).extra.reasons);
  }
};

describe('a body as clients of Lemur write it', () => {
  it.each([
    ['an unknown member that is null', { whatever: null }, {}],
    ['a leftover of a form', { selectedRole: 'web', validityType: 'defaultDays', template: { name: 'x' } }, {}],
    ['null for what may be absent', { csr: null, notify: null, years: null }, {}],
    ['a truth value as text', { notify: 'true', critical: 'False' }, { notify: true, critical: false }],
    ['a number as text', { ttl: '30', roles: [{ id: '5' }] }, { ttl: 30, roles: [{ id: 5 }] }],
    ['null that means something', { description: null }, { description: null }],
  ])('is read: %s', (_, given, read) => {
    expect(validateBody(Body, { owner: 'joe', ...given })).toEqual({ owner: 'joe', ...read });
  });

  it.each([
    ['an unknown member with a value', { notfy: false }, 'notfy'],
    ['a leftover that is not at the top', { roles: [{ id: 1 }], owner: { selectedRole: 1 } }, 'owner'],
    ['null for what must be there', { owner: null }, 'owner'],
    ['another text for a truth value', { notify: 'perhaps' }, 'notify'],
    ['another text for a number', { ttl: '3 days' }, 'ttl'],
    ['the wrong truth value', { critical: 'true' }, 'critical'],
  ])('is refused by name: %s', (_, given, field) => {
    expect(reasonsOf({ owner: 'joe', ...given })).toEqual([field]);
  });

  it('does not change what it was given', () => {
    const given = { owner: 'joe', notify: 'true', extra: null };
    validateBody(Body, given);
    expect(given).toEqual({ owner: 'joe', notify: 'true', extra: null });
  });
});
