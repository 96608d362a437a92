import { Injectable } from '@nestjs/common';
import type { ParsedCrl } from '../pki/crl-reader.js';
import type { Tx } from '../platform/db/database.js';

/** Every query on the CRLs that were imported. */
@Injectable()
export class ImportedCrlRepository {
  /** One that was imported before stays as it is. */
  async add(tx: Tx, authorityId: number, crl: ParsedCrl, imported: { entries: number; at: Date }): Promise<void> {
    await tx.query(
      `insert into imported_crl (authority_id, sha256, number, this_update, entries, imported_at)
       values ($1, $2, $3, $4, $5, $6) on conflict do nothing`,
      [
        authorityId,
        crl.fingerprintSha256,
        crl.number === undefined ? null : String(crl.number),
        crl.thisUpdate,
        imported.entries,
        imported.at,
      ],
    );
  }

  /** The highest CRLNumber of the authority's imported lists; 0 without one. */
  async highestNumber(tx: Tx, authorityId: number): Promise<bigint> {
    const [{ number }] = await tx.query<[{ number: string }]>(
      'select coalesce(max(number), 0)::text as number from imported_crl where authority_id = $1',
      [authorityId],
    );
    return BigInt(number);
  }
}
