import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import { certificateColumn, csrColumn } from '../../platform/db/der-column.js';
import type { Certificate, CertificateState } from '../certificate.entity.js';
import { heldAt } from '../certificate.row.js';

/** A certificate as the CA that issued it knows it, without what this program does with it. */
export interface IssuedCertificate extends Pick<
  Certificate,
  'id' | 'notBefore' | 'notAfter' | 'createdAt' | 'revokedAt' | 'revocationReason'
> {
  state: CertificateState;
  serialHex: string;
  pem: string;
  csrPem: string | null;
  /** The name of its profile. */
  profile: string | null;
  /** Since when it is on hold. */
  heldAt: Date | null;
  invalidityDate: Date | null;
  /** When it was last revoked, put on hold or issued. */
  changedAt: Date;
}

/** Which certificates of an authority are listed. */
export interface IssuedFilter {
  authorityId: number;
  /** Only those that end later; null: all. */
  validAfter: Date | null;
  /** Also what is revoked or on hold. */
  withRevoked: boolean;
  profileId?: number;
}

type StoredRow = Omit<IssuedCertificate, 'pem' | 'csrPem' | 'changedAt'> & Record<'bodyDer' | 'csrDer', Buffer | null>;

const columns = `c.id, c.state, c.serial_hex as "serialHex", c.body_der as "bodyDer", c.csr_der as "csrDer",
  c.not_before as "notBefore", c.not_after as "notAfter", c.created_at as "createdAt", c.revoked_at as "revokedAt",
  c.revocation_reason as "revocationReason", ${heldAt} as "heldAt",
  (select p.name from profile p where p.id = c.profile_id) as profile,
  (select r.invalidity_date from revoked_certificate r
    where r.authority_id = c.authority_id and r.serial_hex = c.serial_hex) as "invalidityDate"`;

const states = ['issued', 'superseded'];

/** Queries on the certificates that an authority has issued, by the authority and the serial number. */
@Injectable()
export class IssuedCertificateRepository {
  /** Null when the authority has issued none with this serial number, or it is deleted. */
  async find(tx: Tx, authorityId: number, serialHex: string): Promise<IssuedCertificate | null> {
    const [row] = await tx.query<StoredRow[]>(
      `select ${columns} from certificate c where c.serial_hex = $2 and c.authority_id = $1 and c.body_der is not null
         and c.deleted_at is null order by c.id limit 1`,
      [authorityId, serialHex],
    );
    return row ? certificateOf(row) : null;
  }

  /**
   * Ids in the order in which they were requested; those that expired long ago come last. `after`: the last id of the
   * page before. Each page costs its own length and what its filter leaves out, wherever it is.
   */
  ids(tx: Tx, filter: IssuedFilter, { retired, after, most }: IssuedPage): Promise<{ id: number }[]> {
    const { authorityId, validAfter, withRevoked, profileId } = filter;
    return tx.query(
      `select c.id from certificate c where c.authority_id = $1 and c.retired = $2 and c.id > $3
         and c.deleted_at is null and c.body_der is not null and c.state = any($4)
         and ($5::timestamptz is null or c.not_after > $5) and ($6::int is null or c.profile_id = $6)
         ${withRevoked ? '' : `and (${heldAt}) is null`}
       order by c.id limit $7`,
      [authorityId, retired, after, withRevoked ? [...states, 'revoked'] : states, validAfter, profileId ?? null, most],
    );
  }

  /** Those of these that are still there, in order of id. */
  async read(tx: Tx, ids: readonly number[]): Promise<IssuedCertificate[]> {
    const rows = await tx.query<StoredRow[]>(
      `select ${columns} from certificate c where c.id = any($1) and c.body_der is not null order by c.id`,
      [ids],
    );
    return rows.map(certificateOf);
  }
}

/** A page of the list; `retired`: of what expired long ago. */
export interface IssuedPage {
  retired: boolean;
  after: number;
  most: number;
}

function certificateOf({ bodyDer, csrDer, ...row }: StoredRow): IssuedCertificate {
  return {
    ...row,
    pem: certificateColumn.from(bodyDer) ?? '',
    csrPem: csrColumn.from(csrDer),
    changedAt: row.revokedAt ?? row.heldAt ?? row.createdAt,
  };
}
