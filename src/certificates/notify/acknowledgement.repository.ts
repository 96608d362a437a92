import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import type { LastingProblem } from '../../notifications/subscription.schema.js';
import { Acknowledgement } from './acknowledgement.entity.js';

/** An acknowledgement with the name of the user who gave it. */
export type AcknowledgementRow = Pick<Acknowledgement, 'event' | 'until' | 'reason' | 'createdAt'> & {
  username: string | null;
};

/** Every query on acknowledgements. */
@Injectable()
export class AcknowledgementRepository {
  /** Of a certificate, in order of the events. */
  list(tx: Tx, certificateId: number): Promise<AcknowledgementRow[]> {
    return tx.query(
      `select a.event, a.until, a.reason, a.created_at as "createdAt", u.username from acknowledgement a
       left join app_user u on u.id = a.creator_id where a.certificate_id = $1 order by a.event`,
      [certificateId],
    );
  }

  /** Of these certificates, those that have not ended. */
  async open(
    tx: Tx,
    certificateIds: readonly number[],
    now: Date,
  ): Promise<Pick<Acknowledgement, 'certificateId' | 'event' | 'until'>[]> {
    if (certificateIds.length === 0) return [];
    return tx.query(
      `select certificate_id as "certificateId", event, until from acknowledgement
       where certificate_id = any($1::int[]) and until > $2`,
      [certificateIds, now],
    );
  }

  /** Replaces an earlier one of the same event. */
  async put(tx: Tx, row: Omit<Acknowledgement, 'id'>): Promise<void> {
    await tx.upsert(Acknowledgement, row, ['certificateId', 'event']);
  }

  /** False when there was none. */
  async remove(tx: Tx, certificateId: number, event: LastingProblem): Promise<boolean> {
    return ((await tx.delete(Acknowledgement, { certificateId, event })).affected ?? 0) > 0;
  }
}
