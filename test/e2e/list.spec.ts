import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startProgram, type TestProgram } from '../support/program.js';

describe('the list of certificates', () => {
  let program: TestProgram;
  beforeAll(async () => {
    program = await startProgram();
    await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
    for (let i = 0; i < 7; i++) await issue(i);
  });
  afterAll(() => program.stop());

  const issue = (i: number) => program.ok('POST', '/certificates', {
    owner: i % 2 ? 'ann@example.com' : 'bob@example.com', commonName: `n${i}.example.com`, authority: { name: 'root' }, validityDays: 30 + (i % 3),
  });
  const names = (page: { items: { cn: string }[] }) => page.items.map(({ cn }) => cn);

  it.each(['id', 'owner', 'notAfter', 'name'])('goes on behind a cursor by %s without skipping or repeating, while others come', async (sortBy) => {
    const wanted = names(await program.ok('GET', `/certificates?sortBy=${sortBy}&sortDir=asc&count=200`));
    const seen: string[] = [];
    for (let after = ''; ;) {
      const page = await program.ok('GET', `/certificates?sortBy=${sortBy}&sortDir=asc&count=2${after}`);
      seen.push(...names(page));
      if (!page.next) break;
      after = `&after=${page.next}`;
      if (seen.length === 2) await issue(100 + wanted.length);
    }
    expect(seen.filter((cn) => wanted.includes(cn))).toEqual(wanted);
  });

  it('gives the newest first, and pages by number in the same order', async () => {
    const all = names(await program.ok('GET', '/certificates?count=200'));
    expect([...names(await program.ok('GET', '/certificates?count=3&page=1')), ...names(await program.ok('GET', '/certificates?count=3&page=2'))]).toEqual(all.slice(0, 6));
  });

  it('finds by a part of any name, by exact value, and refuses what it does not know', async () => {
    expect(names(await program.ok('GET', '/certificates?filter=cn;n3.exam'))).toEqual(['n3.example.com']);
    expect(names(await program.ok('GET', '/certificates?filter=cn;"n4.example.com"'))).toEqual(['n4.example.com']);
    expect(names(await program.ok('GET', '/certificates?filter=cn;%25'))).toEqual([]);
    expect((await program.ok('GET', '/certificates?owner=ANN@example.com&count=200')).items.every(({ owner }: { owner: string }) => owner === 'ann@example.com')).toBe(true);
    for (const query of ['filter=private_key;x', 'sortBy=sealedKey', 'count=0', 'count=201', 'after=nonsense', 'active=perhaps', 'filter=id;abc']) {
      expect((await program.call('GET', `/certificates?${query}`)).status, query).toBe(400);
    }
  });
});
