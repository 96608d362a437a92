import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import { escapeLike } from '../platform/db/list-filter.js';
import { areNamesFew, idsNamed, type SearchTable } from '../platform/db/name-search.js';
import { certificatesNamed } from './certificate-names.js';

let test: TestDatabase;
let policyId: number;
beforeAll(async () => {
  test = await createTestDatabase([]);
  [{ id: policyId }] = await test.source.query<[{ id: number }]>(
    `insert into rotation_policy (name, days) values ('search', 30) returning id`,
  );
});
afterAll(() => test.drop());
beforeEach(() => test.source.query('delete from certificate'));

const failed = `insert into certificate (state, name, owner, common_name, distinguished_name, secret_id, issuer,
    spki_sha256, key_type, bits, not_before, not_after, san_count, terms, rotation_policy_id, created_at)
  select 'failed', name, 'joe', '', '', gen_random_uuid(), '', 'ab', 'RSA2048', 2048, now(), now(), 0, '{}', $2, now()
  from unnest($1::text[]) as name on conflict (name) do nothing`;

/** Names of hosts, and whatever else certificates have, in sizes of one and of many to a statement. */
const parts = ['Host', 'api', '007', '%', '_', '\\', 'ünï', 'a b', '\n', '-2026', 'x', '*', '.example.com'];
const pick = (n: number): string => parts[n % parts.length] ?? '';
const statements: readonly string[][] = [1, 2, 16, 17, 40].map((size) =>
  Array.from({ length: size }, (_, i) => [i * 7, i * 3 + size, i * 5 + 1, i].map(pick).join('') + String(size)),
);
const wanted = [...parts, 'host', 'host007', 'com007', '.example.comapi', 'example', 'le.c', '7%', 'nowhere'];
const patterns = wanted.map((text) => escapeLike(text.toLowerCase())).flatMap((t) => [`%${t}%`, `${t}%`, `%${t}`, t]);

const idsOf = async (sql: string, pattern: string): Promise<number[]> => {
  const rows: { id: number }[] = await test.source.query(sql, [pattern]);
  return [...new Set(rows.map(({ id }) => id))].sort((a, b) => a - b);
};

describe('a search by a part of a name', () => {
  it('finds the certificates that a comparison of all names finds, also renamed ones', async () => {
    for (const names of statements) await test.source.query(failed, [names, policyId]);
    await test.source.query(`update certificate set name = 'renamed-' || reverse(name) where id % 3 = 0`);
    await test.source.query('delete from certificate where id % 7 = 0');
    for (const pattern of [...patterns, '%renamed%', 'renamed-4%', '%moc%'])
      expect([pattern, await idsOf(certificatesNamed('$1'), pattern)]).toEqual([
        pattern,
        await idsOf('select id from certificate where lower(name) like $1', pattern),
      ]);
  });

  it('finds the names that a comparison of all names finds, a line break being a space', async () => {
    const add = `insert into domain (name) select lower(n) from unnest($1::text[]) as n
      on conflict (name) do update set sensitive = true`;
    for (const names of [...statements.map((each) => [...new Set(each)]), ['', 'late.example.com'], ['host007']])
      await test.source.query(add, [names]);
    for (const pattern of patterns)
      expect([pattern, await idsOf(idsNamed('domain_search', '$1'), pattern)]).toEqual([
        pattern,
        await idsOf(
          `select id from domain where translate(name, E'\\n', ' ') like translate($1, E'\\n', ' ')`,
          pattern,
        ),
      ]);
  });

  it('finds names that were there before names were grouped', async () => {
    await test.source.query(failed, [statements.flat(), policyId]);
    const { NamesInGroups1763700000067: Migration } = await import('../../migrations/1763700000067-names-in-groups.js');
    const runner = test.source.createQueryRunner();
    await new Migration().down(runner);
    await new Migration().up(runner);
    await runner.release();
    for (const [sql, all] of [
      [certificatesNamed('$1'), 'select id from certificate where lower(name) like $1'],
      [idsNamed('domain_search', '$1'), 'select id from domain where name like $1'],
    ] as const)
      expect(await idsOf(sql, '%example%')).toEqual(await idsOf(all, '%example%'));
  });

  it.each<[SearchTable, string]>([
    ['certificate_search', `insert into certificate_search select array[0], E'\\nhost-' || n || E'-common-ca\\n'`],
    ['domain_search', `insert into domain (name) select 'host-' || n || '.common-ca.example'`],
  ])('knows from the statistics of %s which texts are common', async (table, insert) => {
    await test.source.query(`${insert} from generate_series(1, 31000) as n`);
    await test.source.query('analyze certificate_search, domain');
    for (const [pattern, isFew] of [
      ['%common-ca%', false],
      ['%host-12345%', true],
      ['%nowhere%', true],
    ] as const)
      expect([pattern, await areNamesFew(test.db.single, table, pattern)]).toEqual([pattern, isFew]);
  });
});
