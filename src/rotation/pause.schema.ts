import { z } from 'zod';
import { Instant, instant, InstantOut, instantOrNull } from '../platform/http/instant.js';
import { listQuery, pageOf } from '../platform/http/page.js';
import { queryBoolean } from '../platform/http/query.js';
import { Reference } from '../platform/http/reference.js';
import { pauseScopes } from './holds.js';
import type { ShownPause } from './pause.repository.js';

const reason = z.string().trim().min(1).max(1024).meta({ description: 'For those who find renewals paused.' });
const until = Instant.nullish().meta({ description: 'When it ends. Default: when somebody ends it.' });
const holdsEmergencies = z.boolean().meta({
  description:
    'Whether it also holds what is about to expire, is revoked and must be replaced, or has a compromised key.',
});
const targets = {
  authority: Reference.optional(),
  source: Reference.optional(),
  certificate: z.looseObject({ id: z.int().min(1).max(2_147_483_647) }).optional(),
};

/** POST /rotation/pauses. */
export const PauseRequest = z
  .strictObject({
    scope: z.enum(pauseScopes).meta({ description: 'What it holds: `all`, or what the member of that name names.' }),
    ...targets,
    reason,
    until,
    holdsEmergencies: holdsEmergencies.default(false),
  })
  .superRefine((request, context) => {
    for (const target of ['authority', 'source', 'certificate'] as const) {
      const message = request.scope === target ? 'Name what is paused.' : `The scope is ${request.scope}.`;
      if ((request[target] !== undefined) !== (request.scope === target))
        context.addIssue({ code: 'custom', path: [target], message });
    }
  })
  .meta({ id: 'RotationPauseRequest' });
export type PauseRequest = z.output<typeof PauseRequest>;

/** PUT /rotation/pauses/{id}. What is absent stays as it is. */
export const PauseChange = z
  .strictObject({ reason: reason.optional(), until, holdsEmergencies: holdsEmergencies.optional() })
  .meta({ id: 'RotationPauseChange' });
export type PauseChange = z.output<typeof PauseChange>;

export const PauseView = z
  .object({
    id: z.int(),
    scope: z.enum(pauseScopes),
    target: z
      .object({ id: z.int(), name: z.string() })
      .nullable()
      .meta({ description: 'The authority, source or certificate; null for `all`.' }),
    reason: z.string(),
    holdsEmergencies: z.boolean(),
    user: z.object({ id: z.int(), username: z.string() }).meta({ description: 'Who made it.' }),
    since: InstantOut,
    until: InstantOut.nullable(),
    endedAt: InstantOut.nullable(),
    waiting: z.int().meta({ description: 'How many renewals are due and wait for its end.' }),
  })
  .meta({ id: 'RotationPause' });
export type PauseView = z.output<typeof PauseView>;

export const PausePage = pageOf(PauseView);

export const PauseQuery = listQuery('id', 'since').extend({
  active: queryBoolean().optional().meta({ description: 'Only those that have not ended, or only those that have.' }),
});
export type PauseQuery = z.output<typeof PauseQuery>;

export function pauseView(pause: ShownPause): PauseView {
  const { id, scope, targetId, targetName, reason, holdsEmergencies, userId, username, waiting } = pause;
  return {
    id,
    scope,
    target: targetId === null ? null : { id: targetId, name: targetName ?? '' },
    reason,
    holdsEmergencies,
    user: { id: userId, username },
    since: instant(pause.since),
    until: instantOrNull(pause.until),
    endedAt: instantOrNull(pause.endedAt),
    waiting,
  };
}
