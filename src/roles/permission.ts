import type { Actor } from '../platform/http/actor.js';
import { isReserved } from './role-name.js';

/**
 * What each permission is granted to. `yes`: for everything. `own`: the permission opens the route, and an object rule
 * below decides on each object. `no`: not at all. Admin holds everything.
 */
const table = {
  //                      ordinary      operator           read-only
  'certificate:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'certificate:issue': { user: 'own', operator: 'yes', readOnly: 'no' },
  'certificate:import': { user: 'yes', operator: 'yes', readOnly: 'no' },
  'certificate:update': { user: 'own', operator: 'own', readOnly: 'no' },
  'certificate:revoke': { user: 'own', operator: 'own', readOnly: 'no' },
  'certificate:delete': { user: 'own', operator: 'own', readOnly: 'no' },
  'certificate:export': { user: 'own', operator: 'own', readOnly: 'no' },
  'key:read': { user: 'own', operator: 'own', readOnly: 'no' },
  'authority:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'authority:create': { user: 'no', operator: 'no', readOnly: 'no' },
  'authority:update': { user: 'own', operator: 'own', readOnly: 'no' },
  'authority:issue': { user: 'own', operator: 'yes', readOnly: 'no' },
  'destination:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'destination:write': { user: 'no', operator: 'no', readOnly: 'no' },
  'source:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'source:write': { user: 'no', operator: 'no', readOnly: 'no' },
  'source:sync': { user: 'no', operator: 'yes', readOnly: 'no' },
  'endpoint:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'domain:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'domain:write': { user: 'own', operator: 'own', readOnly: 'no' },
  'domain-rule:write': { user: 'no', operator: 'no', readOnly: 'no' },
  'notification:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'notification:write': { user: 'own', operator: 'yes', readOnly: 'no' },
  'policy:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'policy:write': { user: 'no', operator: 'yes', readOnly: 'no' },
  'delivery:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'delivery:retry': { user: 'own', operator: 'yes', readOnly: 'no' },
  'job:read': { user: 'no', operator: 'yes', readOnly: 'yes' },
  'job:write': { user: 'no', operator: 'yes', readOnly: 'no' },
  'mail:read': { user: 'no', operator: 'yes', readOnly: 'no' },
  'key-ring:rekey': { user: 'no', operator: 'no', readOnly: 'no' },
  'audit:read': { user: 'no', operator: 'no', readOnly: 'no' },
  'user:read': { user: 'own', operator: 'own', readOnly: 'own' },
  'user:write': { user: 'no', operator: 'no', readOnly: 'no' },
  'role:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'role:write': { user: 'no', operator: 'no', readOnly: 'no' },
  'role:credentials': { user: 'own', operator: 'own', readOnly: 'no' },
  'apikey:read': { user: 'own', operator: 'own', readOnly: 'own' },
  'apikey:write': { user: 'own', operator: 'own', readOnly: 'own' },
  'password:change': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'session:close': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'plugin:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  self: { user: 'yes', operator: 'yes', readOnly: 'yes' },
} as const satisfies Record<string, Record<'user' | 'operator' | 'readOnly', 'yes' | 'own' | 'no'>>;

export type Permission = keyof typeof table;

/** Every permission that a route can ask for. */
export const permissions: ReadonlySet<string> = new Set(Object.keys(table));

const granted = (to: 'user' | 'operator' | 'readOnly'): ReadonlySet<Permission> =>
  new Set((Object.keys(table) as Permission[]).filter((permission) => table[permission][to] !== 'no'));

/** What everyone does with their own account, which stays open whatever their roles. */
const ofOneself: ReadonlySet<Permission> = new Set(['apikey:write', 'password:change', 'session:close', 'self']);

const changesNothing = (permission: Permission): boolean =>
  /:(read|export|credentials)$/.test(permission) || ofOneself.has(permission);

const all = new Set(Object.keys(table) as Permission[]);
const ofReadOnly = granted('readOnly');
const ofOperator = granted('operator');
const ofUser = granted('user');
const ofUserInStrictMode: ReadonlySet<Permission> = new Set([...ofUser].filter(changesNothing));

/** What the settings say of roles. */
export interface RoleRules {
  strictRoles: boolean;
  adminOnlyAuthorityCreation: boolean;
}
const usualRules: RoleRules = { strictRoles: false, adminOnlyAuthorityCreation: true };

/**
 * What the holder of these roles may ask for. `read-only` beats every other role, `admin` too; without roles one is an
 * ordinary user. With `strictRoles`, an ordinary user changes nothing but their own account.
 */
export function permissionsOf(roleNames: readonly string[], rules: RoleRules = usualRules): ReadonlySet<Permission> {
  const names = new Set(roleNames.map((name) => name.toLowerCase()));
  const held = permissionsWithoutAudit(names, rules.strictRoles);
  const more: Permission[] = [
    ...(names.has('auditor') ? ['audit:read' as const] : []),
    ...(!rules.adminOnlyAuthorityCreation && (held === ofUser || held === ofOperator)
      ? ['authority:create' as const]
      : []),
  ];
  return more.length > 0 ? new Set([...held, ...more]) : held;
}

function permissionsWithoutAudit(names: ReadonlySet<string>, strict: boolean): ReadonlySet<Permission> {
  if (names.has('read-only')) return ofReadOnly;
  if (names.has('admin')) return all;
  if (names.has('operator')) return ofOperator;
  return strict ? ofUserInStrictMode : ofUser;
}

/** What an object says about whom it belongs to. Linked roles are given by id or by name, whichever the caller has. */
export interface Owned {
  /** The name of the owner role, usually a team's e-mail address. */
  readonly owner: string;
  readonly roleIds?: readonly number[];
  readonly roleNames?: readonly string[];
  readonly creatorId?: number | null;
}

/**
 * What a role can grant on the objects that it owns or is linked to, beside the changes that it permits on them anyway.
 */
export const rolePermissions = ['key:read'] as const satisfies readonly Permission[];
export type RolePermission = (typeof rolePermissions)[number];

/** What the role of an owner can do when it is made because something needs it. */
export const ownerPermissions: readonly RolePermission[] = ['key:read'];

type Holder = Pick<Actor, 'userId' | 'roles'>;
type KeyHolder = Pick<Actor, 'userId' | 'roles' | 'permissions'>;

/** True for a holder of the role, whatever its case. */
export function holds(actor: Holder, roleName: string): boolean {
  return actor.roles.some((role) => role.name.toLowerCase() === roleName.toLowerCase());
}

const isReadOnly = (actor: Holder): boolean => holds(actor, 'read-only');

// A reserved name in an owner field (from an old import) makes no holder of a built-in role an owner.
const holdsOwnerRole = (actor: Holder, { owner }: Owned): boolean => !isReserved(owner) && holds(actor, owner);

const holdsLinkedRole = (actor: Holder, { roleIds = [], roleNames = [] }: Owned): boolean =>
  actor.roles.some(({ id }) => roleIds.includes(id)) || roleNames.some((name) => holds(actor, name));

const isCreator = (actor: Holder, { creatorId }: Owned): boolean => actor.userId !== 0 && actor.userId === creatorId;

/** True for one who may do everything: admin, unless also read-only. */
export function isAdmin(actor: Holder): boolean {
  return holds(actor, 'admin') && !isReadOnly(actor);
}

/** May change, revoke or re-deploy the object: admin, its owner role, a role linked to it, its creator. */
export function mayActOn(actor: Holder, object: Owned): boolean {
  if (isReadOnly(actor)) return false;
  return isAdmin(actor) || holdsOwnerRole(actor, object) || holdsLinkedRole(actor, object) || isCreator(actor, object);
}

/**
 * May see the private key: admin, and who holds a role that carries `key:read` and owns the object or is linked to it.
 * To have made the object, or to hold any other role of it, is not enough; nor is an API key whose scopes leave
 * `key:read` out.
 */
export function mayReadKey(actor: KeyHolder, object: Owned): boolean {
  if (!actor.permissions.has('key:read') || isReadOnly(actor)) return false;
  const { userId } = actor;
  const carriers = { userId, roles: actor.roles.filter(({ permissions }) => permissions.includes('key:read')) };
  return isAdmin(actor) || holdsOwnerRole(carriers, object) || holdsLinkedRole(carriers, object);
}

/** Says that the permission is missing, and where to look when an API key asks. */
export function lacking(permission: string, { apiKey }: Pick<Actor, 'apiKey'>): string {
  return `This needs ${permission}${apiKey ? ', which the scopes of this API key do not name' : ''}.`;
}

/** May have the authority sign: admin, operator, the authority's owner role, a role linked to it. */
export function mayIssueFrom(actor: Holder, authority: Owned): boolean {
  if (isReadOnly(actor)) return false;
  return (
    isAdmin(actor) || holds(actor, 'operator') || holdsOwnerRole(actor, authority) || holdsLinkedRole(actor, authority)
  );
}

/**
 * May change what an authority is and does: admin, its owner role, and of the linked roles those given here. To issue
 * from it is not enough.
 */
export function mayChangeAuthority(actor: Holder, authority: Owned): boolean {
  return (
    isAdmin(actor) || (!isReadOnly(actor) && (holdsOwnerRole(actor, authority) || holdsLinkedRole(actor, authority)))
  );
}

/** May make an authority for this owner: admin, and who holds the owner's role. */
export function mayMakeAuthorityFor(actor: Holder, owner: string): boolean {
  return isAdmin(actor) || (!isReadOnly(actor) && holdsOwnerRole(actor, { owner }));
}

/** May lend a role's rights on names to a certificate: admin, and who holds the role. */
export function mayVouchFor(actor: Holder, roleName: string): boolean {
  return isAdmin(actor) || (!isReadOnly(actor) && holdsOwnerRole(actor, { owner: roleName }));
}

/** May have anything delivered anywhere, keys too: admin and operator, unless an API key leaves `key:read` out. */
export function mayDeliverAnything(actor: KeyHolder): boolean {
  return actor.permissions.has('key:read') && (isAdmin(actor) || (!isReadOnly(actor) && holds(actor, 'operator')));
}

/** Whom a destination is for. */
export interface Deliverable {
  readonly open: boolean;
  readonly roleIds: readonly number[];
}

/** May have certificates delivered to the destination: admin, operator, its roles, and everyone where it is open. */
export function mayDeliverTo(actor: Holder, { open, roleIds }: Deliverable): boolean {
  if (isReadOnly(actor)) return false;
  return open || isAdmin(actor) || holds(actor, 'operator') || holdsLinkedRole(actor, { owner: '', roleIds });
}

/** May see the options of the destination: who may deliver there, and read-only. */
export function maySeeOptionsOf(actor: Holder, destination: Deliverable): boolean {
  return isReadOnly(actor) || mayDeliverTo(actor, destination);
}

/** May see the options of a source, such as where it looks: admin, operator, read-only, its owner role. */
export function maySeeOptionsOfSource(actor: Holder, source: Pick<Owned, 'owner'>): boolean {
  return maySeeEveryAuthority(actor) || holdsOwnerRole(actor, source);
}

/** May issue for names that the domain policy keeps from others: admin and `global_cert_issuer`. */
export function mayUseAnyDomain(actor: Holder): boolean {
  return isAdmin(actor) || (!isReadOnly(actor) && holds(actor, 'global_cert_issuer'));
}

/** May mark names as sensitive and issue for those that are: admin, and holders of the roles that the settings name. */
export function mayUseSensitiveNames(actor: Holder, sensitiveDomainRoles: readonly string[]): boolean {
  return isAdmin(actor) || (!isReadOnly(actor) && sensitiveDomainRoles.some((role) => holds(actor, role)));
}

/** May see every authority: admin, operator, read-only. Others see those that they made or hold a role of. */
export function maySeeEveryAuthority(actor: Holder): boolean {
  return ['admin', 'operator', 'read-only'].some((role) => holds(actor, role));
}

/** May have messages sent to whom they like: admin and operator. */
export function mayWriteToAnyone(actor: Holder): boolean {
  return isAdmin(actor) || (!isReadOnly(actor) && holds(actor, 'operator'));
}

/** May change or delete a notification: admin, operator, and who made it. */
export function mayChangeNotification(actor: Holder, { creatorId }: Pick<Owned, 'creatorId'>): boolean {
  return mayWriteToAnyone(actor) || (!isReadOnly(actor) && isCreator(actor, { owner: '', creatorId }));
}
