import { Injectable } from '@nestjs/common';
import { setBackTimes, type StepBack } from '../../jobs/step-back.js';
import { removeFromCrl } from '../../revocation/revoked.repository.js';
import type { RevocationSource } from '../../revocation/verify/revocation-check.js';
import type { Tx } from '../../platform/db/database.js';

/** Lemur's words for what is known of the revocation of a certificate. */
export const checkedStatuses = ['valid', 'revoked', 'unknown'] as const;
export type CheckedStatus = (typeof checkedStatuses)[number];

/** The result of one check. `nextAt`: when to check again; null for never. */
export interface CheckResult {
  status: CheckedStatus;
  why: string;
  source: RevocationSource;
  at: Date;
  nextAt: Date | null;
}

/** What the database knows of a certificate of a CA whose key is here. */
export interface OwnStatus {
  isRevoked: boolean;
  revokedAt: Date | null;
  revocationReason: number | null;
}

/** Every query on revocation checks: their results, and when each certificate is checked again. */
@Injectable()
export class RevocationCheckRepository {
  /**
   * Plans checks of the certificates that are deployed or served, of CAs elsewhere, and that have none planned: at
   * random moments until `until`, so that no CA is asked about all of them at once.
   */
  async enrol(tx: Tx, now: Date, until: Date): Promise<number> {
    const [{ count }] = await tx.query<[{ count: number }]>(
      `with planned as (insert into revocation_check (certificate_id, next_check_at)
       select c.id, $1::timestamptz + random() * ($2::timestamptz - $1) from certificate c
       where c.id in (
           select certificate_id from delivery where state not in ('planned', 'removing', 'removed', 'left')
           union select certificate_id from endpoint where certificate_id is not null)
         and c.state in ('issued', 'superseded') and c.not_after > $1 and c.deleted_at is null
         and not exists (select from authority a where a.id = c.authority_id and a.key_id is not null)
         and not exists (
           select from revocation_check k where k.certificate_id = c.id and k.next_check_at is not null)
       on conflict (certificate_id) do update set next_check_at = excluded.next_check_at
         where revocation_check.next_check_at is null returning 1)
       select count(*)::int as count from planned`,
      [now, until],
    );
    return count;
  }

  /** Sets back the next checks. See SetBack. */
  async setBack(tx: Tx, step: StepBack): Promise<void> {
    await tx.query(setBackTimes({ table: 'revocation_check', column: 'next_check_at', key: 'certificate_id' }), step);
  }

  /** At most `limit` certificates that are due. They are due again at `again`, in case their job is lost. */
  async takeDue(
    tx: Tx,
    now: Date,
    { again, limit }: { again: Date; limit: number },
  ): Promise<{ id: number; bodyDer: Buffer | null }[]> {
    const rows: [{ id: number; bodyDer: Buffer | null }[], number] = await tx.query(
      `update revocation_check k set next_check_at = $2 from certificate c
       where c.id = k.certificate_id and k.certificate_id in (
         select certificate_id from revocation_check where next_check_at <= $1 order by next_check_at limit $3
         for update skip locked)
       returning c.id, c.body_der as "bodyDer"`,
      [now, again, limit],
    );
    return rows[0];
  }

  async store(tx: Tx, certificateId: number, { status, why, source, at, nextAt }: CheckResult): Promise<void> {
    await tx.query(
      `insert into revocation_check (certificate_id, status, why, source, checked_at, next_check_at)
       values ($1, $2, $3, $4, $5, $6)
       on conflict (certificate_id) do update set status = excluded.status, why = excluded.why,
         source = excluded.source, checked_at = excluded.checked_at, next_check_at = excluded.next_check_at`,
      [certificateId, status, why.slice(0, 2000), source, at, nextAt],
    );
  }

  /** No more checks, until the certificate is deployed again. The last result stays. */
  async stop(tx: Tx, certificateId: number): Promise<void> {
    await tx.query('update revocation_check set next_check_at = null where certificate_id = $1', [certificateId]);
  }

  async isDeployed(tx: Tx, certificateId: number): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `select from delivery where certificate_id = $1 and state not in ('planned', 'removing', 'removed', 'left')
       union all select from endpoint where certificate_id = $1`,
      [certificateId],
    );
    return rows.length > 0;
  }

  /** Null for a certificate that no CA here has issued. `pem`: the same certificate, which may be of an authority. */
  async ownStatus(tx: Tx, sha256: string, pem: string): Promise<OwnStatus | null> {
    const rows: OwnStatus[] = await tx.query(
      `with known as (
         select c.authority_id, c.serial_hex, c.state = 'revoked' as revoked, c.revoked_at, c.revocation_reason
         from certificate c where c.sha256 = $1
         union all
         select sub.parent_id, sub.serial_hex, false, null, null from authority sub where sub.certificate_pem = $2)
       select k.revoked or r.serial_hex is not null as "isRevoked", coalesce(r.revoked_at, k.revoked_at) as "revokedAt",
         coalesce(r.reason, k.revocation_reason) as "revocationReason"
       from known k join authority a on a.id = k.authority_id and a.key_id is not null
       left join revoked_certificate r
         on r.authority_id = a.id and r.serial_hex = k.serial_hex and r.reason <> ${removeFromCrl}
       order by 1 desc limit 1`,
      [sha256, pem],
    );
    return rows[0] ?? null;
  }
}
