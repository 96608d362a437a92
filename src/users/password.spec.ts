import { parseOptions } from '@node-rs/argon2';
import { describe, expect, it } from 'vitest';
import { hashPassword, NewPassword, passwordMatches, weaknesses } from './password.js';

describe('weaknesses', () => {
  it.each([
    ['Correct-horse7!', 0], ['correct-horse7!', 1], ['CORRECT-HORSE7!', 1], ['Correct-horses!', 1], ['Correct-horse7$', 1],
    ['Short7!aB', 1], ['', 5], ['Größe-Straße9]', 0], ['Line\nbreak-9#ab', 0],
  ])('%j breaks %i rules', (password, count) => {
    expect(weaknesses(password)).toHaveLength(count);
  });

  it('is named field by field to whoever sets a password', () => {
    expect(NewPassword.safeParse('Correct-horses!').error?.issues.map(({ message }) => message)).toEqual(['must contain a digit']);
    expect(NewPassword.safeParse('Aa1!'.repeat(257)).success).toBe(false);
  });
});

describe('hashPassword', () => {
  it('makes salted Argon2id of 19 MiB and two passes', async () => {
    const [one, two] = await Promise.all([hashPassword('x'), hashPassword('x')]);
    expect(one).not.toBe(two);
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(parseOptions(one)).toMatchObject({ memoryCost: 19456, timeCost: 2 });
  });

  it('is matched by its password only', async () => {
    const stored = await hashPassword('Correct-horse7!');
    expect(await passwordMatches(stored, 'Correct-horse7!')).toBe(true);
    expect(await passwordMatches(stored, 'Correct-horse7')).toBe(false);
  });

  it('never matches where there is no hash, not even an empty password', async () => {
    expect(await passwordMatches(null, '')).toBe(false);
  });
});
