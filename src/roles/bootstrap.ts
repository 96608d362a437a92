import { randomInt } from 'node:crypto';
import { Audit, type AuditActor } from '../audit/audit.js';
import type { Database, Tx } from '../platform/db/database.js';
import { systemActor } from '../platform/http/actor.js';
import { hashPassword, weaknesses } from '../users/password.js';
import { UserRepository } from '../users/user.repository.js';
import { RoleRepository } from './role.repository.js';
import { builtInRoles } from './role-name.js';

/** Without characters that look alike (0 O, 1 l I) or have a meaning in a shell. */
const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789@';
const admin = { username: 'admin', email: 'admin@localhost' };
/** Key of the advisory lock that serializes concurrent first starts: "boot" in ASCII. */
const bootLock = 0x626f6f74;

/** The result of `bootstrapAccounts`. */
export interface Bootstrapped {
  /** True if the user `admin` was created, which happens only while there are no users. */
  createdAdmin: boolean;
  /** The generated password of the new user `admin`, to be shown once; null if none was generated. */
  generatedPassword: string | null;
}

/**
 * Creates missing built-in roles and, while there are no users, the user `admin` with `adminPassword` or a generated
 * password. Later calls change nothing and ignore `adminPassword`. Safe when several instances start at once. Throws
 * when `adminPassword` is needed and too weak.
 */
export async function bootstrapAccounts(
  db: Database,
  adminPassword?: string,
  actor: AuditActor = systemActor('start'),
): Promise<Bootstrapped> {
  return db.write(async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [bootLock]);
    const roles = new RoleRepository();
    const renamed = await roles.addBuiltIn(tx, builtInRoles);
    await new Audit().recordMany(
      tx,
      renamed.map(({ id, name, before }) => ({
        actor,
        act: { action: 'role.changed', targetType: 'role', targetId: id, before: { name: before }, after: { name } },
      })),
    );
    if (await new UserRepository().exists(tx)) return { createdAdmin: false, generatedPassword: null };
    const password = adminPassword ?? generatePassword();
    const id = await addAdmin(tx, roles, password);
    await new Audit().record(tx, actor, {
      action: 'user.created',
      targetType: 'user',
      targetId: id,
      after: { ...admin, active: true, roles: ['admin'] },
    });
    return { createdAdmin: true, generatedPassword: adminPassword === undefined ? password : null };
  });
}

async function addAdmin(tx: Tx, roles: RoleRepository, password: string): Promise<number> {
  const missing = weaknesses(password);
  if (missing.length > 0) throw new Error(`ADMIN_PASSWORD ${missing.join(', ')}.`);
  const passwordHash = await hashPassword(password);
  const id = await new UserRepository().add(tx, { ...admin, passwordHash });
  const held = await roles.locate(tx, 'roles', [{ name: 'admin' }]);
  await roles.setRolesOfUser(
    tx,
    id,
    held.map((role) => role.id),
  );
  return id;
}

function generatePassword(): string {
  const password = Array.from({ length: 24 }, () => alphabet[randomInt(alphabet.length)]).join('');
  return weaknesses(password).length === 0 ? password : generatePassword();
}
