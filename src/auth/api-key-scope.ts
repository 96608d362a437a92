import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import type { Permission } from '../roles/permission.js';

/**
 * Permissions that a key has only if its scopes name them. `key:read` and `role:credentials` would let a leaked key
 * read private keys and passwords of other systems; with the others it could gain access beyond its own expiry.
 */
const onlyByScope: ReadonlySet<string> = new Set<Permission>([
  'key:read',
  'role:credentials',
  'apikey:write',
  'password:change',
  'session:close',
  'user:write',
  'role:write',
]);

/** Every key has this permission. */
const always: Permission = 'self';

/** The permissions of a key: those of its user, limited to its scopes; without scopes all except `onlyByScope`. */
export function permissionsOfKey(
  ofUser: ReadonlySet<Permission>,
  scopes: readonly string[] | null,
): ReadonlySet<Permission> {
  return new Set(
    [...ofUser].filter((permission) =>
      scopes ? permission === always || scopes.includes(permission) : !onlyByScope.has(permission),
    ),
  );
}

/** An API key may not create, change or delete a key with more permissions than its own. Throws `forbidden`. */
export function demandNoWider(actor: Actor, scopes: readonly string[] | null): void {
  if (!actor.apiKey) return;
  if (scopes?.every((scope) => actor.permissions.has(scope))) return;
  throw new Problem('forbidden', 'An API key can only create, change and delete keys with a subset of its own scopes.');
}
