import { z } from 'zod';
import { instant, Instant, InstantOut } from '../../platform/http/instant.js';
import { lastingProblems } from '../../notifications/subscription.schema.js';
import type { AcknowledgementRow } from './acknowledgement.repository.js';

/** PUT /certificates/{id}/acknowledgements/{event}. */
export const AcknowledgementRequest = z
  .strictObject({
    reason: z.string().trim().min(1).max(1024).meta({ description: 'What is done about it, and by whom.' }),
    until: Instant.optional().meta({
      description:
        'Until when notices wait. At the latest, and if it is absent: two days before the certificate expires, or a ' +
        'quarter of its lifetime when that is shorter than four days.',
    }),
  })
  .meta({ id: 'AcknowledgementRequest' });
export type AcknowledgementRequest = z.output<typeof AcknowledgementRequest>;

export const AcknowledgementView = z
  .object({
    event: z.enum(lastingProblems),
    until: InstantOut,
    reason: z.string(),
    username: z.string().nullable().meta({ description: 'Who acknowledged it.' }),
    createdAt: InstantOut,
  })
  .meta({ id: 'Acknowledgement' });
export type AcknowledgementView = z.output<typeof AcknowledgementView>;

export function acknowledgementView(row: AcknowledgementRow): AcknowledgementView {
  const { event, until, reason, username, createdAt } = row;
  return { event, until: instant(until), reason, username, createdAt: instant(createdAt) };
}
