import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import type { Permission } from '../roles/permission.js';

/**
 * A key has these only when its scopes name them: with `key:read` and `role:credentials` a leaked key gives out private
 * keys and passwords of other systems, with the others it could outlive its own end.
 */
const onlyByName: ReadonlySet<string> = new Set<Permission>([
  'key:read',
  'role:credentials',
  'apikey:write',
  'password:change',
  'session:close',
  'user:write',
  'role:write',
]);

/** Every key may ask who it is. */
const always: Permission = 'self';

/** What a key may do of what its user may at this moment; without scopes nearly all of it. */
export function permissionsOfKey(
  ofUser: ReadonlySet<Permission>,
  scopes: readonly string[] | null,
): ReadonlySet<Permission> {
  return new Set(
    [...ofUser].filter((permission) =>
      scopes ? permission === always || scopes.includes(permission) : !onlyByName.has(permission),
    ),
  );
}

/** A key makes, changes and deletes no key that can do more than itself. Throws `forbidden`. */
export function demandNoWider(actor: Actor, scopes: readonly string[] | null): void {
  if (!actor.apiKey) return;
  if (scopes?.every((scope) => actor.permissions.has(scope))) return;
  throw new Problem('forbidden', 'An API key can only make, change and delete keys with some of its own scopes.');
}
