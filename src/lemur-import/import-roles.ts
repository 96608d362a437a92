import { randomUUID } from 'node:crypto';
import type { Tx } from '../platform/db/database.js';
import { KeyRing } from '../platform/secrets/key-ring.js';
import { ownerPermissions } from '../roles/permission.js';
import { rolePasswordPlace } from '../roles/role-credentials.js';
import { isReserved } from '../roles/role-name.js';
import { RoleRepository } from '../roles/role.repository.js';
import type { Role } from '../roles/role.entity.js';
import { type LemurRole, roles } from './lemur-rows.js';
import type { Run, Step, Taken } from './run.js';

const table = roles.name;
/**
 * Roles with the same meaning in Lemur. `operator` is not one of them: in Lemur it permits changes in strict mode; here
 * it permits issuing from every authority.
 */
const builtInThere: ReadonlySet<string> = new Set(['admin', 'read-only', 'global_cert_issuer']);

/**
 * Imports roles by name, ignoring case; built-in roles are mapped. A role that owns certificates keeps reading their
 * keys. Other roles, which could read keys in Lemur through a link, need `key:read` here.
 */
export async function importRoles(run: Run): Promise<void> {
  const rows = await run.parts.lemur.all(roles);
  const owners = await run.parts.lemur.owners();
  await run.step(async (step) => {
    const known = await run.legacy.known(step.tx, 'role');
    const standing = await idsByName(
      run,
      step.tx,
      rows.map(({ name }) => nameOf(name)),
    );
    const taken: Taken[] = [];
    for (const row of rows) {
      step.report.count(table, 'rows');
      if (known.has(row.id)) step.report.count(table, 'unchanged');
      else taken.push(await take(run, step, row, { standing, owners }));
    }
    await run.remember(step, 'role', taken);
  });
}

interface Surroundings {
  standing: Map<string, number>;
  owners: ReadonlySet<string>;
}

async function take(run: Run, step: Step, row: LemurRole, { standing, owners }: Surroundings): Promise<Taken> {
  const name = nameOf(row.name);
  const existing = standing.get(name.toLowerCase());
  const changed = (text: string): void =>
    step.report.note({ kind: 'changed', table, id: row.id, name: row.name, text });
  if (name !== row.name)
    changed(
      `Its name is reserved here; it was renamed to ${name}.` +
        (row.name === 'operator' ? ' Assign operator to users who may issue from every authority.' : ''),
    );
  if (existing !== undefined) {
    step.report.count(table, 'merged');
    if (!builtInThere.has(name))
      changed('A role of this name exists, perhaps in another case: the roles and their holders were merged.');
    return { legacyId: row.id, id: existing, name };
  }
  const owns = owners.has(name.toLowerCase());
  const id = await run.parts.get(RoleRepository).add(step.tx, {
    name,
    description: row.description ?? '',
    permissions: owns ? [...ownerPermissions] : [],
    thirdParty: row.thirdParty ?? false,
    ...credentialsOf(run, step, row),
  });
  if (!owns)
    changed(
      'It has no key:read, because it owns no certificate. In Lemur its holders ' +
        'could read the keys of certificates linked to it.',
    );
  standing.set(name.toLowerCase(), id);
  step.report.count(table, 'imported');
  return { legacyId: row.id, id, name };
}

function credentialsOf(
  run: Run,
  { report }: Step,
  { id, name, username, password }: LemurRole,
): Partial<Pick<Role, 'username' | 'sealedPassword' | 'secretId'>> {
  const user = username ? { username } : {};
  if (!password || password.length === 0) return user;
  try {
    const secretId = randomUUID();
    return {
      ...user,
      secretId,
      sealedPassword: run.parts.get(KeyRing).seal(run.parts.fernet.open(password), rolePasswordPlace(secretId)),
    };
  } catch (error) {
    report.note({
      kind: 'fault',
      table,
      id,
      name,
      text: `Its password is lost: ${error instanceof Error ? error.message : ''}`,
    });
    return user;
  }
}

/** Keeps a name with a meaning here only if Lemur gives it the same meaning. */
function nameOf(name: string): string {
  return isReserved(name) && !builtInThere.has(name) ? `lemur-${name}` : name;
}

async function idsByName(run: Run, tx: Tx, names: readonly string[]): Promise<Map<string, number>> {
  const found = await run.parts.get(RoleRepository).findByName(tx, names);
  return new Map(found.map(({ id, name }) => [name.toLowerCase(), id]));
}
