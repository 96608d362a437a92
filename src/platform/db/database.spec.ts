import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase([]);
});
afterAll(() => test.drop());

describe('Database', () => {
  it('works', async () => {
    expect(await test.db.single.query('select 1 as one')).toEqual([{ one: 1 }]);
  });
});
