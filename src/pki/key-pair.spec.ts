import { generateKeyPairSync } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import { startTestAuthority } from '../../test/support/bundles.js';
import { isSameLeaf, pairFault } from './key-pair.js';

const authority = startTestAuthority();
afterAll(() => authority.close());
const [one, other] = [authority.issue('a.test'), authority.issue('a.test')];
const leafOf = ({ chainPem }: typeof one): string => chainPem[0] ?? '';

describe('pairFault', () => {
  const encrypted = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
    .toString();

  it.each([
    ['nothing of a pair', leafOf(one), one.privateKeyPem, null],
    ['the key of another certificate', leafOf(one), other.privateKeyPem, /does not belong/],
    ['no certificate', undefined, one.privateKeyPem, /no certificate or no private key/],
    ['an empty key', leafOf(one), '', /no certificate or no private key/],
    ['no key', leafOf(one), undefined, /no certificate or no private key/],
    ['an encrypted key', leafOf(one), encrypted, /cannot be read/],
    ['a certificate that is none', 'x', one.privateKeyPem, /cannot be read/],
  ])('says what is wrong with %s', (_, leafPem, keyPem, words) => {
    expect(pairFault(leafPem, keyPem)).toEqual(words === null ? null : expect.stringMatching(words));
  });
});

describe('isSameLeaf', () => {
  it('compares the first certificates, whatever stands around them', () => {
    expect(isSameLeaf(`text\n${one.chainPem.join('\n')}`, leafOf(one))).toBe(true);
    expect(isSameLeaf(leafOf(other), leafOf(one))).toBe(false);
    expect(isSameLeaf(one.chainPem.toReversed().join('\n'), leafOf(one))).toBe(false);
  });

  it('is null for a text without a certificate', () => {
    expect(isSameLeaf('nothing', leafOf(one))).toBeNull();
    expect(() => isSameLeaf(leafOf(one), 'nothing')).toThrow();
  });
});
