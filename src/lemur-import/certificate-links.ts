import type { LemurDatabase } from './lemur-database.js';

type Links = ReadonlyMap<number, readonly number[]>;

/** Links of certificates in Lemur, by Lemur id. */
export interface LemurLinks {
  roles: Links;
  destinations: Links;
  notifications: Links;
  sources: Links;
  /** The certificates that each one replaces. */
  replaces: Links;
  /** Certificates that another one replaces. */
  replaced: ReadonlySet<number>;
  /** Certificates that an endpoint serves. */
  served: ReadonlySet<number>;
}

/** The columns have different names in each table. */
export async function linksOf(lemur: LemurDatabase, ids: readonly number[]): Promise<LemurLinks> {
  const of = (table: string, to: string): Promise<Map<number, number[]>> =>
    lemur.linked({ table, of: 'certificate_id', to }, ids);
  return {
    roles: await of('roles_certificates', 'role_id'),
    destinations: await of('certificate_destination_associations', 'destination_id'),
    notifications: await of('certificate_notification_associations', 'notification_id'),
    sources: await of('certificate_source_associations', 'source_id'),
    replaces: await of('certificate_replacement_associations', 'replaced_certificate_id'),
    replaced: await lemur.replaced(ids),
    served: new Set((await of('endpoints', 'id')).keys()),
  };
}
