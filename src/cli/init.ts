import { join } from 'node:path';
import type { Config } from '../platform/config.js';
import { migrate, missingMigrations } from '../platform/db/data-source.js';
import { Database } from '../platform/db/database.js';
import { demandCommonKey } from '../platform/secrets/key-holders.js';
import type { KeyRing } from '../platform/secrets/key-ring.js';
import { openKeyRing } from '../platform/secrets/open-key-ring.js';
import { bootstrapAccounts, type Bootstrapped } from '../roles/bootstrap.js';
import { builtInRoles } from '../roles/role-name.js';
import { UserRepository } from '../users/user.repository.js';
import { newPassword, type PasswordSource } from './new-password.js';
import { withDatabase, withServices } from './session.js';
import type { Shell } from './shell.js';
import { counted } from './table.js';

/** The result of `init`. `adminPassword` is present only if it was generated; it is not stored. */
interface Initialized {
  database: string;
  migrations: string[];
  keyRing: { origin: string; sealingKey: string };
  admin: 'made' | 'kept';
  adminPassword?: string;
}

export async function init(shell: Shell, source: PasswordSource): Promise<void> {
  const config = shell.config();
  await withDatabase(shell, config, async (open) => {
    const missing = await missingMigrations(open.source);
    await migrate(open.source);
    const db = new Database(open.source);
    const keyRing = await openKeyRing(config, db, demandCommonKey);
    const accounts = await makeAdmin(shell, config, db, source);
    // At boot the services create what they need, for example the default policy.
    await withServices(shell, config, open, keyRing, async () => undefined);
    await tellAll(shell, {
      ...describe(config, keyRing),
      migrations: missing,
      admin: accounts.createdAdmin ? 'made' : 'kept',
      ...passwordOf(accounts),
    });
  });
}

async function makeAdmin(shell: Shell, config: Config, db: Database, source: PasswordSource): Promise<Bootstrapped> {
  const wanted = config.adminPassword === undefined && !(await new UserRepository().exists(db.single));
  const given = wanted ? await newPassword(source) : null;
  return bootstrapAccounts(db, given ?? config.adminPassword, shell.actor);
}

function passwordOf({ generatedPassword }: Bootstrapped): Pick<Initialized, 'adminPassword'> {
  return generatedPassword === null ? {} : { adminPassword: generatedPassword };
}

function describe(config: Config, keyRing: KeyRing): Pick<Initialized, 'database' | 'keyRing'> {
  return {
    database: config.databaseUrl === undefined ? join(config.dataDir, 'postgres') : 'DATABASE_URL',
    keyRing: {
      origin: config.encryptionKeys ? 'ENCRYPTION_KEYS' : join(config.dataDir, 'keyring'),
      sealingKey: keyRing.sealingKeyId,
    },
  };
}

async function tellAll(shell: Shell, made: Initialized): Promise<void> {
  await shell.answer(
    made,
    [
      `Database   ${made.database}: ` +
        `${made.migrations.length === 0 ? 'up to date' : `${counted(made.migrations.length, 'migration')} done`}`,
      `Key ring   ${made.keyRing.origin}: key ${made.keyRing.sealingKey} seals. Back it up separately from the database`,
      `Roles      ${Object.keys(builtInRoles).join(', ')}`,
      `User       admin ${made.admin === 'made' ? 'created' : 'not created: there are users'}`,
      ...(made.adminPassword === undefined ? [] : [`Password   ${made.adminPassword} (shown only once)`]),
    ].join('\n'),
  );
}
