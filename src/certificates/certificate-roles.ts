import { builtInRoles } from '../roles/role-name.js';

// SQL fragments for the roles of certificates; every query that needs these roles uses them.

const reserved = [...Object.keys(builtInRoles), 'creator'].map((name) => `'${name}'`).join(', ');

/** SQL: the id of the role of an owner. None when the owner is a reserved name, which an old import may have stored. */
export const roleOfOwner = (owner: string): string =>
  `select id from role where lower(name) = lower(${owner}) and lower(name) not in (${reserved})`;

/** SQL: the ids of the roles with a right to the key of the certificate `c`: the listed roles and the owner's role. */
export const keyRolesOf = (c: string): string =>
  `select role_id as id from certificate_role where certificate_id = ${c}.id union ${roleOfOwner(`${c}.owner`)}`;

/** SQL: the ids of all roles of the certificate `c`: those of `keyRolesOf`, and `Certificate.issuerRoleId`. */
export const rolesOf = (c: string): string =>
  `${keyRolesOf(c)} union select ${c}.issuer_role_id where ${c}.issuer_role_id is not null`;
