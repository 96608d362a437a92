import { afterAll, expect, it } from 'vitest';
import { startTestAuthority } from '../../../test/support/bundles.js';
import { matchFiles } from './matched-files.js';

const authority = startTestAuthority();
afterAll(() => authority.close());

it('asks after each file whether so many different certificates may be matched, and stops when not', async () => {
  const files = ['a.test', 'b.test', 'c.test'].map((name) => ({
    path: `${name}.pem`,
    bytes: Buffer.from(authority.issue(name).chainPem.join('')),
  }));
  const counts: number[] = [];
  const demandFew = (count: number): void => {
    counts.push(count);
    if (count > 2) throw new Error('too many');
  };
  await expect(matchFiles(files, [], { demandFew })).rejects.toThrow('too many');
  // The issuer counts once.
  expect(counts).toEqual([2, 3]);
});
