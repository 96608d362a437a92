import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import { type LinkedCertificate, linkedColumns } from '../certificate.row.js';
import type { ServedCertificate } from './endpoint-issues.js';

/** A stored certificate by its fingerprint, and by its issuer and serial number. */
export interface KnownIssued {
  id: number;
  name: string;
  sha256: string;
  issuerSha256: string;
  serialHex: string;
}

/** A stored certificate with the key of a finding. `isOpen`: its order is still open, and it has no serial number. */
export interface SameKey {
  id: number;
  spkiSha256: string;
  serialHex: string | null;
  isOpen: boolean;
}

/** Queries on the stored certificates that sources find and endpoints serve. */
@Injectable()
export class DiscoveredRepository {
  /** The stored certificates with one of these fingerprints, or issuers and serial numbers; also deleted ones. */
  async findIssued(
    tx: Tx,
    all: readonly { sha256: string; issuerSha256: string; serialHex: string }[],
  ): Promise<KnownIssued[]> {
    return tx.query<KnownIssued[]>(
      `select c.id, c.name, c.sha256, c.issuer_sha256 as "issuerSha256", c.serial_hex as "serialHex" from certificate c
        where c.sha256 = any($1)
       union
       select c.id, c.name, c.sha256, c.issuer_sha256, c.serial_hex
         from unnest($2::text[], $3::text[]) as w(issuer, serial)
         join certificate c on c.issuer_sha256 = w.issuer and c.serial_hex = w.serial`,
      [
        all.map(({ sha256 }) => sha256),
        all.map(({ issuerSha256 }) => issuerSha256),
        all.map(({ serialHex }) => serialHex),
      ],
    );
  }

  /** The stored certificates with these keys and serial numbers, and the open orders for these keys. */
  withSameKey(tx: Tx, all: readonly { serialHex: string; spkiSha256: string }[]): Promise<SameKey[]> {
    return tx.query(
      `select distinct c.id, c.spki_sha256 as "spkiSha256", c.serial_hex as "serialHex",
         c.state in ('requested', 'pending') as "isOpen"
       from unnest($1::text[], $2::text[]) as w(spki, serial) join certificate c on c.spki_sha256 = w.spki
         and (c.serial_hex = w.serial or c.state in ('requested', 'pending')) order by c.id`,
      [all.map(({ spkiSha256 }) => spkiSha256), all.map(({ serialHex }) => serialHex)],
    );
  }

  /** Certificates that endpoints serve, each with its newest successor. */
  servedOf(tx: Tx, ids: readonly number[]): Promise<(ServedCertificate & { label: LinkedCertificate })[]> {
    return tx.query(
      `select x.name, x.state, x.not_before as "notBefore", x.not_after as "notAfter",
         json_build_object(${linkedColumns}) as label, x.notify and x.deleted_at is null as watched,
         (select json_build_object('id', n.id, 'name', n.name, 'serialHex', n.serial_hex) from certificate n
          where n.state = 'issued' and n.deleted_at is null and (n.renews_id = x.id or n.id in (select certificate_id
          from certificate_replacement where replaced_id = x.id))
          order by n.not_after desc, n.id desc limit 1) as successor
       from certificate x where x.id = any($1)`,
      [ids],
    );
  }

  /**
   * Stores the external ids of certificates that have none. Not for certificates of an authority: the authority assigns
   * their ids.
   */
  async fillExternalIds(tx: Tx, pairs: readonly { id: number; externalId: string }[]): Promise<void> {
    if (pairs.length === 0) return;
    await tx.query(
      `update certificate c set external_id = w."externalId" from jsonb_to_recordset($1::jsonb) as w(id int,
        "externalId" text)
       where c.id = w.id and c.external_id is null and c.authority_id is null`,
      [JSON.stringify(pairs)],
    );
  }
}
