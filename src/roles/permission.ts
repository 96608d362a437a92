import type { Actor } from '../platform/http/actor.js';
import { isReserved } from './role-name.js';

/**
 * Permissions by kind of user. `yes`: on every object. `own`: the route is open, and an object rule below decides for
 * each object. `no`: denied. Admin holds every permission.
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
  'dns-provider:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'dns-provider:write': { user: 'no', operator: 'no', readOnly: 'no' },
  'source:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'source:write': { user: 'no', operator: 'no', readOnly: 'no' },
  'source:sync': { user: 'no', operator: 'yes', readOnly: 'no' },
  'endpoint:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'domain:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'domain:write': { user: 'own', operator: 'own', readOnly: 'no' },
  'domain-rule:write': { user: 'no', operator: 'no', readOnly: 'no' },
  'notification:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'notification:write': { user: 'own', operator: 'yes', readOnly: 'no' },
  'notice:read': { user: 'own', operator: 'yes', readOnly: 'yes' },
  'notice:retry': { user: 'own', operator: 'yes', readOnly: 'no' },
  'profile:read': { user: 'yes', operator: 'yes', readOnly: 'yes' },
  'profile:write': { user: 'no', operator: 'no', readOnly: 'no' },
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

/** The name of every permission. */
export const permissions: ReadonlySet<string> = new Set(Object.keys(table));

const granted = (to: 'user' | 'operator' | 'readOnly'): ReadonlySet<Permission> =>
  new Set((Object.keys(table) as Permission[]).filter((permission) => table[permission][to] !== 'no'));

/** Permissions on one's own account, which every user keeps, whatever their roles. */
const ofOneself: ReadonlySet<Permission> = new Set(['apikey:write', 'password:change', 'session:close', 'self']);

const changesNothing = (permission: Permission): boolean =>
  /:(read|export|credentials)$/.test(permission) || ofOneself.has(permission);

const all = new Set(Object.keys(table) as Permission[]);
const ofReadOnly = granted('readOnly');
const ofOperator = granted('operator');
const ofUser = granted('user');
const ofUserInStrictMode: ReadonlySet<Permission> = new Set([...ofUser].filter(changesNothing));

/** The settings that change what roles permit. */
export interface RoleRules {
  strictRoles: boolean;
  adminOnlyAuthorityCreation: boolean;
}
const defaultRules: RoleRules = { strictRoles: false, adminOnlyAuthorityCreation: true };

/**
 * The permissions of a user with these roles. `read-only` overrides every other role, including `admin`. A user without
 * a built-in role is an ordinary user, who with `strictRoles` can change only their own account.
 */
export function permissionsOf(roleNames: readonly string[], rules: RoleRules = defaultRules): ReadonlySet<Permission> {
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

/** Who owns an object. Callers give linked roles by id or by name. */
export interface Owned {
  /** The name of the owner role, usually a team's e-mail address. */
  readonly owner: string;
  readonly roleIds?: readonly number[];
  readonly roleNames?: readonly string[];
  readonly creatorId?: number | null;
}

/** Rights that a role can be given on the objects that it owns or is linked to. Every such role permits changes. */
export const rolePermissions = ['key:read'] as const satisfies readonly Permission[];
export type RolePermission = (typeof rolePermissions)[number];

/** The rights of an owner role that is created on demand. */
export const ownerPermissions: readonly RolePermission[] = ['key:read'];

type Holder = Pick<Actor, 'userId' | 'roles'>;
type KeyHolder = Pick<Actor, 'userId' | 'roles' | 'permissions'>;

/** True if the actor holds the role. Ignores case. */
export function holds(actor: Holder, roleName: string): boolean {
  return actor.roles.some((role) => role.name.toLowerCase() === roleName.toLowerCase());
}

const isReadOnly = (actor: Holder): boolean => holds(actor, 'read-only');

// Old imports can have a reserved name in an owner field. It must not make holders of a built-in role owners.
const holdsOwnerRole = (actor: Holder, { owner }: Owned): boolean => !isReserved(owner) && holds(actor, owner);

const holdsLinkedRole = (actor: Holder, { roleIds = [], roleNames = [] }: Owned): boolean =>
  actor.roles.some(({ id }) => roleIds.includes(id)) || roleNames.some((name) => holds(actor, name));

const isCreator = (actor: Holder, { creatorId }: Owned): boolean => actor.userId !== 0 && actor.userId === creatorId;

/** True for admin, unless also read-only. */
export function isAdmin(actor: Holder): boolean {
  return holds(actor, 'admin') && !isReadOnly(actor);
}

/** May change, revoke or re-deploy the object: admin, its owner role, a role linked to it, its creator. */
export function mayActOn(actor: Holder, object: Owned): boolean {
  if (isReadOnly(actor)) return false;
  return isAdmin(actor) || holdsOwnerRole(actor, object) || holdsLinkedRole(actor, object) || isCreator(actor, object);
}

/**
 * May read the private key: admin, and holders of a role that has `key:read` and owns the object or is linked to it.
 * The creator and holders of other linked roles may not. An API key also needs `key:read` in its scopes.
 */
export function mayReadKey(actor: KeyHolder, object: Owned): boolean {
  if (!actor.permissions.has('key:read') || isReadOnly(actor)) return false;
  const { userId } = actor;
  const carriers = { userId, roles: actor.roles.filter(({ permissions }) => permissions.includes('key:read')) };
  return isAdmin(actor) || holdsOwnerRole(carriers, object) || holdsLinkedRole(carriers, object);
}

/** The text of a refusal: names the missing permission and, for an API key, its scopes as the reason. */
export function lacking(permission: string, { apiKey }: Pick<Actor, 'apiKey'>): string {
  return `This needs ${permission}${apiKey ? ', which the scopes of this API key do not name' : ''}.`;
}

/** May issue from the authority: admin, operator, the authority's owner role, a role linked to it. */
export function mayIssueFrom(actor: Holder, authority: Owned): boolean {
  if (isReadOnly(actor)) return false;
  return (
    isAdmin(actor) || holds(actor, 'operator') || holdsOwnerRole(actor, authority) || holdsLinkedRole(actor, authority)
  );
}

/**
 * May change the authority: admin, its owner role, and the linked roles that the caller gives. The right to issue from
 * it is not enough.
 */
export function mayChangeAuthority(actor: Holder, authority: Owned): boolean {
  return (
    isAdmin(actor) || (!isReadOnly(actor) && (holdsOwnerRole(actor, authority) || holdsLinkedRole(actor, authority)))
  );
}

/** May create an authority for this owner: admin, and holders of the owner role. */
export function mayMakeAuthorityFor(actor: Holder, owner: string): boolean {
  return isAdmin(actor) || (!isReadOnly(actor) && holdsOwnerRole(actor, { owner }));
}

/** May grant a certificate the rights of a role on names: admin, and holders of the role. */
export function mayVouchFor(actor: Holder, roleName: string): boolean {
  return isAdmin(actor) || (!isReadOnly(actor) && holdsOwnerRole(actor, { owner: roleName }));
}

/** The role of the owner, when the actor may grant its rights on names to a new certificate. */
export function vouchingRole(actor: Holder, owner: string): string | null {
  return mayVouchFor(actor, owner) ? owner : null;
}

/** May deliver any certificate, with its key, to any destination: admin and operator; an API key needs `key:read`. */
export function mayDeliverAnything(actor: KeyHolder): boolean {
  return actor.permissions.has('key:read') && (isAdmin(actor) || (!isReadOnly(actor) && holds(actor, 'operator')));
}

/** Who may deliver to a destination: everyone if it is open, else holders of its roles. */
export interface Deliverable {
  readonly open: boolean;
  readonly roleIds: readonly number[];
}

/** May deliver certificates to the destination: admin, operator, its roles, and everyone if it is open. */
export function mayDeliverTo(actor: Holder, { open, roleIds }: Deliverable): boolean {
  if (isReadOnly(actor)) return false;
  return open || isAdmin(actor) || holds(actor, 'operator') || holdsLinkedRole(actor, { owner: '', roleIds });
}

/** May see the options of the destination: everyone who may deliver to it, and read-only. */
export function maySeeOptionsOf(actor: Holder, destination: Deliverable): boolean {
  return isReadOnly(actor) || mayDeliverTo(actor, destination);
}

/** May see the options of a source: admin, operator, read-only, its owner role. */
export function maySeeOptionsOfSource(actor: Holder, source: Pick<Owned, 'owner'>): boolean {
  return maySeeEveryAuthority(actor) || holdsOwnerRole(actor, source);
}

/** May issue for names that the domain policy denies: admin and `global_cert_issuer`. */
export function mayUseAnyDomain(actor: Holder): boolean {
  return isAdmin(actor) || (!isReadOnly(actor) && holds(actor, 'global_cert_issuer'));
}

/** May mark names as sensitive and issue for sensitive names: admin, and holders of `sensitiveDomainRoles`. */
export function mayUseSensitiveNames(actor: Holder, sensitiveDomainRoles: readonly string[]): boolean {
  return isAdmin(actor) || (!isReadOnly(actor) && sensitiveDomainRoles.some((role) => holds(actor, role)));
}

/**
 * May see every authority: admin, operator, read-only. Other users see authorities that they created or hold a role of.
 */
export function maySeeEveryAuthority(actor: Holder): boolean {
  return ['admin', 'operator', 'read-only'].some((role) => holds(actor, role));
}

/** May choose any recipient of messages: admin and operator. */
export function mayWriteToAnyone(actor: Holder): boolean {
  return isAdmin(actor) || (!isReadOnly(actor) && holds(actor, 'operator'));
}

/** May change or delete a notification: admin, operator, and its creator. */
export function mayChangeNotification(actor: Holder, { creatorId }: Pick<Owned, 'creatorId'>): boolean {
  return mayWriteToAnyone(actor) || (!isReadOnly(actor) && isCreator(actor, { owner: '', creatorId }));
}
