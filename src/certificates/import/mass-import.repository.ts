import type { Tx } from '../../platform/db/database.js';
import { roleOfOwner } from '../certificate-roles.js';
import type { NewRow } from '../certificate.repository.js';

/** Queries to import many certificates at once, for example from a database of Lemur. */
export class MassImportRepository {
  /** The stored certificates with these fingerprints, at most one for each. */
  identities(tx: Tx, sha256: readonly string[]): Promise<{ id: number; sha256: string }[]> {
    return tx.query('select id, sha256 from certificate where sha256 = any($1)', [sha256]);
  }

  /** The serial numbers among these, by issuer, that stored certificates have. */
  takenSerials(
    tx: Tx,
    rows: readonly Pick<NewRow, 'issuerSha256' | 'serialHex'>[],
  ): Promise<{ issuerSha256: string; serialHex: string }[]> {
    return tx.query(
      `select c.issuer_sha256 as "issuerSha256", c.serial_hex as "serialHex"
        from unnest($1::text[], $2::text[]) as w(issuer_sha256, serial_hex)
       join certificate c using (issuer_sha256, serial_hex)`,
      [rows.map(({ issuerSha256 }) => issuerSha256), rows.map(({ serialHex }) => serialHex)],
    );
  }

  /**
   * Removes two roles from the listed roles of these certificates. The role of the authority's owner becomes the issuer
   * role, which gives no right to the key. The role of the certificate's owner follows from the owner's name.
   */
  async foldRoles(tx: Tx, ids: readonly number[]): Promise<void> {
    await tx.query(
      `with gone as (
         delete from certificate_role l using certificate c, authority a, role r
         where l.certificate_id = any($1) and c.id = l.certificate_id and a.id = c.authority_id and r.id = l.role_id
         and lower(r.name) = lower(a.owner) returning l.certificate_id, l.role_id)
       update certificate c set issuer_role_id = gone.role_id from gone where c.id = gone.certificate_id`,
      [ids],
    );
    await tx.query(
      `delete from certificate_role l using certificate c
       where l.certificate_id = any($1) and c.id = l.certificate_id and l.role_id in (${roleOfOwner('c.owner')})`,
      [ids],
    );
  }

  /** Stores which certificates replace which. Pairs that exist stay as they are. */
  async addReplacements(tx: Tx, pairs: readonly { id: number; replacedId: number }[]): Promise<void> {
    await tx.query(
      `insert into certificate_replacement (certificate_id, replaced_id) select * from unnest($1::int[], $2::int[])
        on conflict do nothing`,
      [pairs.map(({ id }) => id), pairs.map(({ replacedId }) => replacedId)],
    );
  }
}
