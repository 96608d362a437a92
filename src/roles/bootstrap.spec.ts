import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accountEntities, PASSWORD } from '../../test/support/accounts-app.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import { UserRepository } from '../users/user.repository.js';
import { bootstrapAccounts } from './bootstrap.js';

describe('bootstrapAccounts', () => {
  let fresh: TestDatabase;
  beforeAll(async () => {
    fresh = await createTestDatabase(accountEntities);
  });
  afterAll(() => fresh.drop());
  const names = async () =>
    (await fresh.source.query<{ name: string }[]>('select name from role order by name')).map(({ name }) => name);

  it('refuses a weak password and writes nothing', async () => {
    await expect(bootstrapAccounts(fresh.db, 'admin')).rejects.toThrow(
      'ADMIN_PASSWORD must have at least 12 characters',
    );
    expect(await names()).toEqual([]);
  });

  it('creates the roles and one admin when several instances start at once, and returns one password', async () => {
    const results = await Promise.all(Array.from({ length: 4 }, () => bootstrapAccounts(fresh.db)));
    const passwords = results.map(({ generatedPassword }) => generatedPassword).filter((password) => password !== null);
    expect(passwords).toHaveLength(1);
    expect(passwords[0], 'can be pasted into a shell as it is').toMatch(/^[A-Za-z0-9@]{24}$/);
    expect(await names()).toEqual(['admin', 'auditor', 'global_cert_issuer', 'operator', 'read-only']);
    const user = await new UserRepository().findForSignIn(fresh.db.single, 'ADMIN@localhost');
    expect(user).toMatchObject({ username: 'admin', email: 'admin@localhost', active: true });
    expect(await fresh.source.query('select name from user_role join role on role.id = role_id')).toEqual([
      { name: 'admin' },
    ]);
  });

  it('creates one admin when several instances start at once and only the users are missing', async () => {
    await fresh.source.query('delete from app_user');
    const results = await Promise.all(Array.from({ length: 4 }, () => bootstrapAccounts(fresh.db)));
    expect(results.filter(({ generatedPassword }) => generatedPassword !== null)).toHaveLength(1);
    expect(await fresh.source.query('select username from app_user')).toEqual([{ username: 'admin' }]);
  });

  it('changes nothing at a later start, even if the first user was renamed', async () => {
    await fresh.source.query(`update app_user set username = 'root'`);
    const before = await fresh.source.query('select * from app_user');
    expect(await bootstrapAccounts(fresh.db, PASSWORD)).toEqual({ createdAdmin: false, generatedPassword: null });
    expect(await fresh.source.query('select * from app_user')).toEqual(before);
  });

  it('renames a third-party role that has the name of a built-in role', async () => {
    await fresh.source.query(`update role set name = 'Auditor', third_party = true where name = 'auditor'`);
    await fresh.source.query(
      `insert into user_role select u.id, r.id from app_user u, role r where r.name = 'Auditor'`,
    );
    await bootstrapAccounts(fresh.db);
    const [held] = await fresh.source.query(`select name from role join user_role on role_id = id where third_party`);
    expect(held.name).toMatch(/^Auditor \(\d+\)$/);
    expect(
      await fresh.source.query(
        `select third_party, (select count(*)::int from user_role where role_id = id) as holders from role
          where name = 'auditor'`,
      ),
    ).toEqual([{ third_party: false, holders: 0 }]);
    expect(
      await fresh.source.query(`select actor_name, before from audit_event where action = 'role.changed'`),
    ).toEqual([{ actor_name: 'system', before: { name: 'Auditor' } }]);
  });
});
