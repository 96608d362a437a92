import { z } from 'zod';
import { authorityLane } from '../../authorities/authority-issuers.job.js';
import { defineJob } from '../../jobs/define-job.js';
import type { Tx } from '../../platform/db/database.js';

/** The job that places or polls an order at an issuer outside the process; IssueJob handles it. */
export const issueCertificate = defineJob('certificate.issue', z.strictObject({ certificateId: z.int() }), {
  attempts: 3,
  timeoutS: 120,
  concurrency: 16,
});

/** Enqueues this job for certificates, after the commit or `afterS` later, each in the lane of its authority. */
export async function enqueueOrders(
  tx: Tx,
  certificates: readonly { id: number; authorityId: number | null }[],
  afterS?: number,
): Promise<void> {
  await issueCertificate.enqueueMany(
    tx,
    certificates.map(({ id, authorityId }) => ({
      data: { certificateId: id },
      lane: authorityLane.of(authorityId ?? 0),
      afterS,
    })),
  );
}
