import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accountEntities } from '../../test/support/accounts-app.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import type { Tx } from '../platform/db/database.js';
import { bootstrapAccounts } from './bootstrap.js';
import { RoleRepository } from './role.repository.js';

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase(accountEntities);
  await bootstrapAccounts(test.db);
});
afterAll(() => test.drop());

describe('RoleRepository.locate', () => {
  const roles = new RoleRepository();

  it('finds roles by id, name and label', async () => {
    const { db } = test;
    const [operator] = await roles.locate(db.single, 'roles', [{ name: 'Operator' }, { label: 'OPERATOR' }]);
    expect(operator?.name).toBe('operator');
    expect(await roles.locate(db.single, 'roles', [{ id: operator?.id, name: 'admin' }])).toEqual([operator]);
    await expect(roles.locate(db.single, 'roles', [{ id: 999, name: 'admin' }])).rejects.toMatchObject({
      code: 'invalid-request',
    });
  });
});

describe('RoleRepository.ensure', () => {
  const roles = new RoleRepository();

  it('creates missing roles and finds existing ones, ignoring case', async () => {
    const { db } = test;
    const made = await db.write((tx) => roles.ensure(tx, ['New@example.com', 'other@example.com', 'NEW@example.com']));
    expect(made.map(({ name }) => name).sort()).toEqual(['New@example.com', 'other@example.com']);
    const found = await db.write((tx) => roles.ensure(tx, ['new@EXAMPLE.com']));
    expect(found).toEqual(made.filter(({ name }) => name === 'New@example.com'));
    expect(await roles.ensure(db.single, [])).toEqual([]);
  });

  it('refuses reserved names', async () => {
    for (const name of ['admin', 'Creator', 'READ-ONLY']) {
      await expect(
        test.db.write((tx) => roles.ensure(tx, ['a@example.com', name])),
        name,
      ).rejects.toMatchObject({ code: 'invalid-request' });
    }
  });

  it('neither fails nor deadlocks when many callers ask for the same names in different orders', async () => {
    const names = Array.from({ length: 5000 }, (_, i) => `many${i}@example.com`);
    const results = await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        // Without the retry of Database, so that a deadlock shows.
        test.source.transaction((tx) => roles.ensure(tx as Tx, i % 2 ? names : names.toReversed())),
      ),
    );
    const ids = results.map((found) =>
      found
        .map(({ id }) => id)
        .sort((a, b) => a - b)
        .join(),
    );
    expect(new Set(ids).size).toBe(1);
    expect(results[0]).toHaveLength(5000);
  });
});
