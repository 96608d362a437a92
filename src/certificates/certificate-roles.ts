import { builtInRoles } from '../roles/role-name.js';

const reserved = [...Object.keys(builtInRoles), 'creator'].map((name) => `'${name}'`).join(', ');

/** SQL: the id of the role of this owner. An old import may have a reserved name in its place, which is no owner's. */
export const roleOfOwner = (owner: string): string =>
  `select id from role where lower(name) = lower(${owner}) and lower(name) not in (${reserved})`;

/** SQL: the ids of the roles with a right to the key of the certificate `c`: listed ones and that of the owner. */
export const keyRolesOf = (c: string): string =>
  `select role_id as id from certificate_role where certificate_id = ${c}.id union ${roleOfOwner(`${c}.owner`)}`;

/** SQL: the ids of all roles of the certificate `c`: also that of the owner of its authority when it was issued. */
export const rolesOf = (c: string): string =>
  `${keyRolesOf(c)} union select ${c}.issuer_role_id where ${c}.issuer_role_id is not null`;
