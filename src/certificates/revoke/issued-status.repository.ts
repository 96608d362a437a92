import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import { prepared } from '../../platform/db/statement.js';
import { type Issued, type IssuedStatus, OcspStatuses } from '../../revocation/ocsp/ocsp-statuses.js';

interface Row {
  notAfter: Date | null;
  revokedAt: Date | null;
  reason: number | null;
}

const statuses = prepared<Row>(
  'issued_statuses',
  `select c.not_after as "notAfter", c.revocation_reason as reason,
     case c.state when 'revoked' then coalesce(c.revoked_at, c.not_before) end as "revokedAt"
   from unnest($1::int[], $2::text[]) with ordinality as asked(authority_id, serial_hex, n)
   left join lateral (select * from certificate where serial_hex = asked.serial_hex
     and authority_id = asked.authority_id order by state = 'revoked' desc limit 1) c on true
   order by asked.n`,
);

/** Tells the OCSP responder which certificates authorities have issued, and which of them are revoked. */
@Injectable()
export class IssuedStatusRepository implements OnModuleInit {
  constructor(private readonly ocsp: OcspStatuses) {}

  onModuleInit(): void {
    this.ocsp.readFrom((tx, issued) => this.of(tx, issued));
  }

  /** Which of these certificates are known here and not revoked. */
  inForce(tx: Tx, authorityId: number, serials: readonly string[]): Promise<{ id: number; serialHex: string }[]> {
    return tx.query(
      `select id, serial_hex as "serialHex" from certificate
       where authority_id = $1 and serial_hex = any($2) and state in ('issued', 'superseded') order by id`,
      [authorityId, serials],
    );
  }

  /** In the order of `issued`; null for one that the authority never issued. */
  async of(tx: Tx, issued: readonly Issued[]): Promise<(IssuedStatus | null)[]> {
    const rows = await statuses(tx, [
      issued.map(({ authorityId }) => authorityId),
      issued.map(({ serialHex }) => serialHex),
    ]);
    return rows.map(({ notAfter, revokedAt, reason }) =>
      notAfter === null ? null : { notAfter, revoked: revokedAt && { at: revokedAt, reason: reason ?? 0 } },
    );
  }
}
