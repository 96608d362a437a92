import { parseOptions } from '@node-rs/argon2';
import { describe, expect, it } from 'vitest';
import { hashPassword, isBcrypt, NewPassword, passwordMatches, weaknesses } from './password.js';

describe('weaknesses', () => {
  it.each([
    ['Correct-horse7!', 0],
    ['correct-horse7!', 1],
    ['CORRECT-HORSE7!', 1],
    ['Correct-horses!', 1],
    ['Correct-horse7$', 1],
    ['Short7!aB', 1],
    ['', 5],
    ['Größe-Straße9]', 0],
    ['Line\nbreak-9#ab', 0],
  ])('%j breaks %i rules', (password, count) => {
    expect(weaknesses(password)).toHaveLength(count);
  });

  it('lists each violated rule as an issue of its field', () => {
    expect(NewPassword.safeParse('Correct-horses!').error?.issues.map(({ message }) => message)).toEqual([
      'must contain a digit',
    ]);
    expect(NewPassword.safeParse('Aa1!'.repeat(257)).success).toBe(false);
  });
});

describe('hashPassword', () => {
  it('returns a salted Argon2id hash with 19 MiB and two passes', async () => {
    const [one, two] = await Promise.all([hashPassword('x'), hashPassword('x')]);
    expect(one).not.toBe(two);
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(parseOptions(one)).toMatchObject({ memoryCost: 19456, timeCost: 2 });
  });

  it('returns a hash that only its password matches', async () => {
    const stored = await hashPassword('Correct-horse7!');
    expect(await passwordMatches(stored, 'Correct-horse7!')).toBe(true);
    expect(await passwordMatches(stored, 'Correct-horse7')).toBe(false);
  });

  it('never matches a user without a hash, not even with an empty password', async () => {
    expect(await passwordMatches(null, '')).toBe(false);
  });
});

describe('a hash from Lemur', () => {
  // Made by crypt(3) of libxcrypt.
  const hashes = {
    '2b': '$2b$12$abcdefghijklmnopqrstuO7TN/TZ0/vAi.pP7zkpLIBlfZaROjhWq',
    '2y': '$2y$10$abcdefghijklmnopqrstuO8aEQ0TrdqP1RSo8739Xtowtley9cfHq',
    '2a': '$2a$08$abcdefghijklmnopqrstuOdWWY3A44XRBDJ/XHPwAR1.0TIx5vRKm',
  };

  it.each(Object.entries(hashes))('%s matches its password only', async (_, stored) => {
    expect(isBcrypt(stored)).toBe(true);
    expect(await passwordMatches(stored, 'Correct-horse7!')).toBe(true);
    for (const wrong of ['correct-horse7!', '', stored]) expect(await passwordMatches(stored, wrong, true)).toBe(false);
  });

  it('counts the first 72 bytes of a password, as in Lemur', async () => {
    const stored = '$2b$05$abcdefghijklmnopqrstuOqX5go/Rz04pL1GJf5FolxsJE.1Vm9ZC';
    expect(await passwordMatches(stored, `Größe-${'x'.repeat(80)}1A!`)).toBe(true);
    expect(await passwordMatches(stored, `Größe-${'y'.repeat(80)}1A!`)).toBe(false);
  });

  it('does not affect others: a malformed hash matches nothing, and Argon2id hashes still match', async () => {
    for (const stored of [
      'Correct-horse7!',
      '$2b$12$short',
      '',
      '$2x$12$abcdefghijklmnopqrstuO7TN/TZ0/vAi.pP7zkpLIBlfZaROjhWq',
      '$argon2id$nonsense',
    ]) {
      expect(await passwordMatches(stored, 'Correct-horse7!', true), stored).toBe(false);
    }
    expect(await passwordMatches(await hashPassword('Correct-horse7!'), 'Correct-horse7!', true)).toBe(true);
    expect(await passwordMatches(null, '', true)).toBe(false);
  });
});
