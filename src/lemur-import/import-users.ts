import type { Tx } from '../platform/db/database.js';
import { RoleRepository } from '../roles/role.repository.js';
import { isBcrypt } from '../users/password.js';
import { UserRepository } from '../users/user.repository.js';
import { type LemurUser, users } from './lemur-rows.js';
import { digestOf, type Run, type Step, type Taken } from './run.js';

const table = users.name;
const rolesOfUsers = { table: 'roles_users', of: 'user_id', to: 'role_id' };

/**
 * Imports users, identified by e-mail address. Keeps Lemur's password hashes and rehashes them at the next sign-in. A
 * repeated import applies changes that take rights away: a user deactivated in Lemur is deactivated here.
 */
export async function importUsers(run: Run): Promise<void> {
  const rows = await run.parts.lemur.all(users);
  const rolesOf = await run.parts.lemur.linked(
    rolesOfUsers,
    rows.map(({ id }) => id),
  );
  await run.step(async (step) => {
    const known = await run.legacy.known(step.tx, 'user');
    const roles = await run.legacy.ids(step.tx, 'role');
    const taken: Taken[] = [];
    for (const row of rows) {
      step.report.count(table, 'rows');
      const before = known.get(row.id);
      const digest = digestOf(row);
      if (before?.digest === digest) step.report.count(table, 'unchanged');
      else if (before) taken.push(...(await follow(run, step, row, before.id)));
      else
        taken.push(
          await take(
            run,
            step,
            row,
            (rolesOf.get(row.id) ?? []).flatMap((id) => roles.get(id) ?? []),
          ),
        );
    }
    await run.remember(step, 'user', taken);
  });
}

async function take(run: Run, step: Step, row: LemurUser, roleIds: readonly number[]): Promise<Taken> {
  const { tx, report } = step;
  const { email, username } = identityOf(row, step);
  const taken = (id: number): Taken => ({ legacyId: row.id, id, name: username, digest: digestOf(row) });
  const existing = await run.parts.get(UserRepository).findIdByEmail(tx, email);
  if (existing !== null) {
    report.count(table, 'merged');
    report.note({
      kind: 'changed',
      table,
      id: row.id,
      name: username,
      text:
        'A user with this e-mail address exists: the user keeps name, password and ' +
        'state, and also gets these roles.',
    });
    await run.parts.get(RoleRepository).giveAndTake(tx, existing, { give: roleIds, take: [] });
    return taken(existing);
  }
  const id = await run.parts.get(UserRepository).add(tx, {
    email,
    username: await freeName(run, step, username, row.id),
    active: row.active ?? true,
    passwordHash: hashOf(row, step),
  });
  await run.parts.get(RoleRepository).giveAndTake(tx, id, { give: roleIds, take: [] });
  report.count(table, 'imported');
  return taken(id);
}

async function follow(run: Run, { tx, report }: Step, row: LemurUser, id: number | null): Promise<Taken[]> {
  if (id === null) return [];
  const repository = run.parts.get(UserRepository);
  const user = await repository.findWithHash(tx, id);
  const leaves = row.active === false && user?.active === true;
  const changedPassword =
    row.password !== null &&
    isBcrypt(row.password) &&
    user?.passwordHash !== null &&
    isBcrypt(user?.passwordHash ?? '');
  if (leaves) await repository.change(tx, id, { active: false });
  if (changedPassword) await repository.change(tx, id, { passwordHash: row.password });
  if (leaves || changedPassword) await repository.revokeTokens(tx, id);
  report.count(table, 'updated');
  return [{ legacyId: row.id, id, name: row.username ?? '', digest: digestOf(row) }];
}

function identityOf({ id, email, username }: LemurUser, { report }: Step): { email: string; username: string } {
  const address = email?.trim().toLowerCase() ?? '';
  if (address.length >= 3 && address.length <= 254) return { email: address, username: username || address };
  report.note({
    kind: 'changed',
    table,
    id,
    name: username ?? '',
    text: 'It has no e-mail address: a placeholder that reaches nobody was set.',
  });
  return { email: `lemur-user-${id}@lemur.invalid`, username: username || `lemur-user-${id}` };
}

/** Lemur has stored passwords in the clear (its advisory q437): imports only hashes. */
function hashOf({ id, username, password }: LemurUser, { report }: Step): string | null {
  if (password === null || password === '') return null;
  if (isBcrypt(password)) return password;
  report.note({
    kind: 'changed',
    table,
    id,
    name: username ?? '',
    text:
      'Its password is not stored as a hash in Lemur and was not imported: set a ' +
      'new one (perennial reset-password).',
  });
  return null;
}

async function freeName(run: Run, { tx, report }: Step, username: string, legacyId: number): Promise<string> {
  if (!(await isNameTaken(run, tx, username))) return username;
  let name = `${username}-lemur`;
  for (let n = 2; await isNameTaken(run, tx, name); n += 1) name = `${username}-lemur-${n}`;
  report.note({
    kind: 'changed',
    table,
    id: legacyId,
    name: username,
    text: `Another user has this name; this user was renamed to ${name}.`,
  });
  return name;
}

async function isNameTaken(run: Run, tx: Tx, name: string): Promise<boolean> {
  return (await run.parts.get(UserRepository).findForSignIn(tx, name))?.username.toLowerCase() === name.toLowerCase();
}
