import { z } from 'zod';
import { serialDecimal } from '../../pki/serial.js';
import { instant, instantOrNull, InstantOut } from '../../platform/http/instant.js';
import type { CertificateRow } from '../certificate.row.js';

/** What an order waits for, which tells who must act. */
const waits = ['issuer', 'approval', 'retry', 'configuration', 'decision'] as const;

/** The `order` member of a certificate in responses: state, last failure, deadline, and an answer in dispute. */
export const OrderView = z.object({
  waitsFor: z
    .enum(waits)
    .nullable()
    .meta({
      description:
        '`issuer`: the CA works on it. `approval`: a person at the CA must approve it. `retry`: nobody must act, it ' +
        'is tried again. `configuration`: a person must change the authority or its account at the CA, as `detail` ' +
        'says. `decision`: a person must accept or reject the answer in dispute. Null: it has failed.',
    }),
  attempts: z.int().meta({ description: 'Attempts in a row that failed.' }),
  answeredAt: InstantOut.nullable().meta({ description: 'When the issuer last answered, or an attempt last failed.' }),
  fault: z.string().nullable(),
  detail: z.string().nullable().meta({ description: 'Why the last attempt failed.' }),
  progress: z.string().nullable().meta({ description: 'What the CA waited for when it last said so.' }),
  nextAttemptAt: InstantOut.nullable(),
  deadlineAt: InstantOut.nullable().meta({
    description: 'When the order fails unless it is fulfilled, is cancelled at the CA, and the owner is told.',
  }),
  disputed: z
    .object({
      receivedAt: InstantOut,
      serial: z.string().meta({ description: 'Decimal.' }),
      chain: z.string().nullable().meta({
        description: 'PEM, the certificate first. In lists null, unless `chain=true` asks for it.',
      }),
      reason: z.string(),
    })
    .nullable()
    .meta({
      description:
        'An answer of the issuer that failed a check. It is delivered nowhere. Accept or reject it: ' +
        '`POST /pending_certificates/{id}/accept`, `/reject`. Without either it is revoked at the deadline.',
    }),
});
export type OrderView = z.output<typeof OrderView>;

/** Null unless the certificate is requested, pending or failed. */
export function orderView(row: CertificateRow): OrderView | null {
  if (row.state !== 'requested' && row.state !== 'pending' && row.state !== 'failed') return null;
  return {
    waitsFor: waitsFor(row),
    attempts: row.attempts,
    answeredAt: instantOrNull(row.answeredAt),
    fault: row.fault,
    detail: row.faultDetail,
    progress: row.openOrder?.progress ?? null,
    nextAttemptAt: instantOrNull(row.nextAttemptAt),
    deadlineAt: row.openOrder && instant(new Date(row.openOrder.deadlineAt)),
    disputed: disputedOf(row),
  };
}

function waitsFor({ state, openOrder, fault }: CertificateRow): OrderView['waitsFor'] {
  if (state === 'failed') return null;
  if (openOrder?.disputed) return 'decision';
  if (fault !== null) return fault === 'misconfigured' ? 'configuration' : 'retry';
  return openOrder?.awaitsApproval ? 'approval' : 'issuer';
}

function disputedOf({ openOrder, faultDetail }: CertificateRow): OrderView['disputed'] {
  const disputed = openOrder?.disputed;
  if (!disputed) return null;
  return {
    receivedAt: instant(new Date(disputed.at)),
    serial: serialDecimal(disputed.serialHex),
    chain: disputed.chainPem,
    reason: faultDetail ?? '',
  };
}
