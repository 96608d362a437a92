import { z } from 'zod';
import { instant, InstantOut } from '../../platform/http/instant.js';
import { pageOf } from '../../platform/http/page.js';
import type { CertificateRow } from '../certificate.row.js';
import { CertificateView } from '../certificate.schema.js';
import { Remark } from '../revoke/revoke.schema.js';

/** The body of DELETE /pending_certificates/{id} and of POST /pending_certificates/{id}/reject. */
export const CancelRequest = z
  .strictObject({ note: Remark.optional().meta({ description: 'Why; kept in the audit log.' }) })
  .optional()
  .meta({ id: 'CancelRequest' });
export type CancelRequest = z.output<typeof CancelRequest>;

/** The body of POST /pending_certificates/{id}/upload: a certificate that the issuer sent to a person, as PEM. */
export const AnswerRequest = z
  .strictObject({
    body: z.string().min(1).max(65_536),
    chain: z
      .string()
      .max(524_288)
      .nullish()
      .meta({ description: 'Issuers in order, the one that signed `body` first.' }),
    externalId: z.string().max(128).nullish().meta({ description: 'By which the issuer knows the certificate.' }),
  })
  .meta({ id: 'AnswerRequest' });
export type AnswerRequest = z.output<typeof AnswerRequest>;

/** A certificate in a response of /pending_certificates, with the members that Lemur's clients expect there. */
export const PendingView = z
  .object({
    ...CertificateView.shape,
    status: z
      .string()
      .nullable()
      .meta({ description: 'The last answer: why the last attempt failed, or what the CA waits for. See `order`.' }),
    numberAttempts: z.int(),
    resolved: z.boolean().meta({ description: 'There is nothing more to wait for.' }),
    resolvedCertId: z.int().nullable().meta({ description: 'The certificate, once it is issued: under the same id.' }),
    lastUpdated: InstantOut,
  })
  .meta({ id: 'PendingCertificate' });
export type PendingView = z.output<typeof PendingView>;

export const PendingPage = pageOf(PendingView);

/** `certificate`: the full view of the same row. */
export function pendingView(row: CertificateRow, certificate: CertificateView): PendingView {
  const isIssued = row.bodyPem !== null;
  return {
    ...certificate,
    status: row.faultDetail ?? row.openOrder?.progress ?? null,
    numberAttempts: row.attempts,
    resolved: row.state !== 'requested' && row.state !== 'pending',
    resolvedCertId: isIssued ? row.id : null,
    lastUpdated: instant(row.answeredAt ?? row.createdAt),
  };
}
