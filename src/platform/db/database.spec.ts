import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createEmptyDatabase, type TestDatabase } from '../../../test/support/database.js';
import type { Tx } from './database.js';

describe('work that joins the first transaction', () => {
  let test: TestDatabase;
  beforeAll(async () => {
    test = await createEmptyDatabase([]);
    await test.source.query(`create table done (word text, tx bigint default txid_current())`);
  });
  beforeEach(() => test.source.query('truncate done'));
  afterAll(() => test.drop());

  const put = (tx: Tx, word: string): Promise<unknown> => tx.query('insert into done (word) values ($1)', [word]);
  const claim = () => test.db.joining(async (tx) => void (await put(tx, 'claim')));
  const words = async (): Promise<string[]> =>
    (await test.source.query<{ word: string }[]>('select word from done order by word')).map(({ word }) => word);
  const withClaim = async (): Promise<string[]> => {
    const rows = await test.source.query<{ word: string }[]>(
      `select word from done where word <> 'claim' and tx in (select tx from done where word = 'claim')`,
    );
    return rows.map(({ word }) => word);
  };
  /** Writes `word` after others have had time to begin, and notes whether the claim is committed before. */
  const write = (word: string, seen: boolean[], fails = false): Promise<void> =>
    test.db.write(async (tx) => {
      await pause(20);
      seen.push((await words()).includes('claim'));
      await put(tx, word);
      if (fails) throw new Error(`${word} fails`);
    });

  it('is committed before any other transaction begins', async () => {
    const seen: boolean[] = [];
    const joining = claim();
    await joining.during(() => Promise.all(['a', 'b', 'c', 'd'].map((word) => write(word, seen))));
    expect(joining.isDone).toBe(true);
    expect(seen).toEqual([false, true, true, true]);
    expect([await words(), await withClaim()]).toEqual([['a', 'b', 'c', 'claim', 'd'], ['a']]);
  });

  it('joins the next when the first fails', async () => {
    const seen: boolean[] = [];
    const joining = claim();
    const ends = await joining.during(() =>
      Promise.allSettled([write('a', seen, true), write('b', seen, true), write('c', seen), write('d', seen)]),
    );
    expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'fulfilled']);
    expect(joining.isDone).toBe(true);
    expect(seen).toEqual([false, false, false, true]);
    expect([await words(), await withClaim()]).toEqual([['c', 'claim', 'd'], ['c']]);
  });

  it('does not hold up a transaction that the first waits for', async () => {
    await claim().during(() =>
      test.db.write(async (tx) => {
        await put(tx, 'outer');
        await test.db.write((other) => put(other, 'inner'));
      }),
    );
    expect([await words(), await withClaim()]).toEqual([['claim', 'inner', 'outer'], ['outer']]);
  });
});
