import type { Tx } from '../platform/db/database.js';
import { shownSubscriptionsOf } from '../notifications/subscription.repository.js';
import { keyRolesOf, rolesOf } from './certificate-roles.js';

// What certificates are linked to, for many of them in one statement.

/**
 * The ids of the roles, notifications and destinations of a certificate; see `NewLinks`. `roleIds`: all roles;
 * `keyRoleIds`: those with a right to the key. `notificationIds`: the listed ones and, with `hearsDefaults`, the
 * default ones.
 */
export interface Links {
  roleIds: number[];
  keyRoleIds: number[];
  listedRoleIds: number[];
  issuerRoleId: number | null;
  subscriptionIds: number[];
  hearsDefaults: boolean;
  notificationIds: number[];
  destinationIds: number[];
}

/** The links of each certificate, in order of id. One that does not exist has no entry. */
export async function linksOfMany(tx: Tx, ids: readonly number[]): Promise<Map<number, Links>> {
  const rows: (Links & { id: number })[] = await tx.query(
    `select c.id, array(${rolesOf('c')} order by 1) as "roleIds", array(${keyRolesOf('c')} order by 1) as "keyRoleIds",
            array(select role_id from certificate_role where certificate_id = c.id order by 1) as "listedRoleIds",
            c.issuer_role_id as "issuerRoleId",
            array(select subscription_id from certificate_subscription where certificate_id = c.id
            order by 1) as "subscriptionIds", c.hears_defaults as "hearsDefaults",
            array(${shownSubscriptionsOf('c')} order by 1) as "notificationIds",
            array(select destination_id from delivery where certificate_id = c.id
            and state not in ('removing', 'removed', 'left') order by 1) as "destinationIds"
       from certificate c where c.id = any($1::int[])`,
    [ids],
  );
  return new Map(rows.map(({ id, ...links }) => [id, links]));
}

/** The ids of the certificates that each of these replaces directly, in order. One that replaces none has no entry. */
export async function predecessorsOfMany(tx: Tx, ids: readonly number[]): Promise<Map<number, number[]>> {
  const rows: { id: number; oldIds: number[] }[] = await tx.query(
    `select certificate_id as id, array_agg(replaced_id order by replaced_id) as "oldIds" from certificate_replacement
     where certificate_id = any($1::int[]) group by certificate_id`,
    [ids],
  );
  return new Map(rows.map(({ id, oldIds }) => [id, oldIds]));
}
