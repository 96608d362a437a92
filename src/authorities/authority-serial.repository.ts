import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import type { Tx } from '../platform/db/database.js';
import { Authority } from './authority.entity.js';
import { type Viewer, visible } from './authority.repository.js';

/** Queries that find authorities by the serial numbers of their certificates, as other systems name them. */
@Injectable()
export class AuthoritySerialRepository {
  /** The active authorities that the viewer sees, in order of id. */
  async active(tx: Tx, viewer: Viewer): Promise<Authority[]> {
    const rows: { id: number }[] = await tx.query(`select id from authority where active and ${visible(viewer)}`);
    return tx.find(Authority, { where: { id: In(rows.map(({ id }) => id)) }, order: { id: 'ASC' } });
  }

  /**
   * The active authorities with a certificate of this serial number that the viewer sees. Those that issue with it now
   * come first; several at once have certificates of different CAs. `serialHex` as of ParsedCertificate.
   */
  find(tx: Tx, serialHex: string, viewer: Viewer): Promise<{ id: number; isPresent: boolean }[]> {
    return tx.query(
      `select id, serial_hex = $1 as "isPresent" from authority where active and ${visible(viewer)}
         and (serial_hex = $1 or id in (select authority_id from authority_issuer where serial_hex = $1))
       order by serial_hex <> $1, id`,
      [serialHex],
    );
  }
}
