import { randomInt } from 'node:crypto';
import { Audit, type AuditActor } from '../audit/audit.js';
import type { Database, Tx } from '../platform/db/database.js';
import { systemActor } from '../platform/http/actor.js';
import { hashPassword, weaknesses } from '../users/password.js';
import { UserRepository } from '../users/user.repository.js';
import { RoleRepository } from './role.repository.js';
import { builtInRoles } from './role-name.js';

/**
 * Nothing that looks like something else, and nothing that a shell takes for something else when the password is pasted
 * into one.
 */
const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789@';
const admin = { username: 'admin', email: 'admin@localhost' };
/** The key of the advisory lock under which the first user is made: "boot" in ASCII. */
const bootLock = 0x626f6f74;

/** What the first start made. */
export interface Bootstrapped {
  /** Whether the user `admin` was made: true only while there was no user at all. */
  madeAdmin: boolean;
  /**
   * The password of the new user `admin`, to be shown once; null when there was a user already or the password was
   * given.
   */
  generatedPassword: string | null;
}

/**
 * Makes the built-in roles and, while there is no user at all, `admin` with `adminPassword` or a made-up one. Later
 * starts change nothing: `adminPassword` counts at the first start only. Safe when several instances start at once.
 * Throws when `adminPassword` is needed and too weak.
 */
export async function bootstrapAccounts(
  db: Database,
  adminPassword?: string,
  actor: AuditActor = systemActor('start'),
): Promise<Bootstrapped> {
  return db.write(async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [bootLock]);
    const roles = new RoleRepository();
    const aside = await roles.addBuiltIn(tx, builtInRoles);
    await new Audit().recordMany(
      tx,
      aside.map(({ id, name, before }) => ({
        actor,
        act: { action: 'role.changed', targetType: 'role', targetId: id, before: { name: before }, after: { name } },
      })),
    );
    if (await new UserRepository().exists(tx)) return { madeAdmin: false, generatedPassword: null };
    const password = adminPassword ?? generatePassword();
    const id = await addAdmin(tx, roles, password);
    await new Audit().record(tx, actor, {
      action: 'user.created',
      targetType: 'user',
      targetId: id,
      after: { ...admin, active: true, roles: ['admin'] },
    });
    return { madeAdmin: true, generatedPassword: adminPassword === undefined ? password : null };
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
