import { z } from 'zod';
import { InstantOut } from '../../platform/http/instant.js';
import { Reference } from '../../platform/http/reference.js';
import { certificateStates } from '../certificate.entity.js';
import { itemStates } from '../runs/run.schema.js';

const Named = z.object({ id: z.int(), name: z.string() });
const Successor = Named.extend({ lifecycle: z.enum(certificateStates) });

const Place = z
  .object({
    destinationId: z.int(),
    label: z.string(),
    location: z.string().nullable().meta({ description: 'Where it lies or would lie, as a person would write it.' }),
    state: z.string().nullable().meta({ description: 'Of the delivery; null where none has been planned yet.' }),
  })
  .meta({ id: 'RotationPlace' });
/** A destination of a certificate, with its location there. */
export type Place = z.output<typeof Place>;

/** GET /certificates/{id}/plan. */
export const PlanView = z
  .object({
    willRenew: z.boolean(),
    at: InstantOut.nullable().meta({ description: 'When its renewal begins.' }),
    dueAt: InstantOut.nullable().meta({
      description:
        'From when on its policy, its CA or an event wants it renewed. `at` is later while something holds it.',
    }),
    reason: z.string(),
    text: z.string(),
    hold: z
      .object({
        kind: z.enum(['window', 'limit', 'pause', 'retry', 'spread']),
        text: z.string(),
        until: InstantOut.nullable().meta({ description: 'When it begins by what is known now; null: unknown.' }),
        pauseId: z.int().nullable(),
      })
      .nullable()
      .meta({ description: 'What holds its renewal, or will hold it when it is due.' }),
    explanation: z.array(z.string()).meta({ description: 'What will happen and why, in the order of events.' }),
    remedies: z.array(z.string()).meta({ description: 'What stands in the way, and what a person can do about it.' }),
    policy: Named.extend({ days: z.int().nullable(), lifetimeFraction: z.number().nullable() }),
    authority: Named.extend({ active: z.boolean() }).nullable().meta({ description: 'Who would issue its successor.' }),
    successor: Successor.nullable().meta({ description: 'What is to take its place, where that has been asked for.' }),
    suggested: z
      .object({
        windowStart: InstantOut,
        windowEnd: InstantOut,
        at: InstantOut.meta({ description: 'A random moment in the window.' }),
        explanationUrl: z.string().nullable(),
      })
      .nullable()
      .meta({ description: 'When its CA suggests to renew it (RFC 9773).' }),
    replacement: z
      .object({ runId: z.int(), reason: z.string(), state: z.enum(itemStates), text: z.string() })
      .nullable()
      .meta({ description: 'The newest replacement run that is to replace it, has tried to, or has requested it.' }),
    attempts: z.int().meta({ description: 'Renewals in a row that did not go through.' }),
    fault: z.string().nullable(),
    detail: z.string().nullable(),
    rights: z.object({ allowed: z.boolean(), text: z.string() }).nullable().meta({
      description: 'Whether its names may be renewed today, by whose rights, and why not; null where it ended.',
    }),
    profile: Named.extend({
      version: z.int().meta({ description: 'The version that its successor would follow.' }),
      newest: z.int(),
      text: z.string().nullable().meta({ description: 'Why it would not follow the newest version, or why it fails.' }),
    })
      .nullable()
      .meta({ description: 'The certificate profile of its successor; null without one.' }),
    destinations: z
      .array(Place)
      .meta({ description: 'Where its successor goes; it is superseded once that has arrived at all of them.' }),
  })
  .meta({ id: 'RenewalPlan' });
export type PlanView = z.output<typeof PlanView>;

/** POST /certificates/{id}/reissue and /rotate; all members are optional. */
export const RotateRequest = z
  .strictObject({
    profile: Reference.optional().meta({ description: 'Another certificate profile for the successor.' }),
    dryRun: z.boolean().default(false).meta({ description: 'Only say what would change.' }),
    notify: z
      .boolean()
      .default(true)
      .meta({ description: 'Tell the owner by mail when the successor is in place. A failure is told in any case.' }),
  })
  .prefault({})
  .meta({ id: 'RotateRequest' });
export type RotateRequest = z.output<typeof RotateRequest>;

/** The changes that a rotation makes or, in a dry run, would make. */
export const RotationView = z
  .object({
    dryRun: z.boolean(),
    certificate: Named,
    action: z.enum(['reissue', 'redeploy', 'none']).meta({
      description:
        '`reissue`: a successor is issued and delivered. `redeploy`: there is one, ' +
        'and what has not arrived of it is tried again.',
    }),
    text: z.string(),
    successor: z
      .object({
        id: z.int().nullable().meta({ description: 'Null as long as it has not been asked for.' }),
        name: z.string().meta({ description: 'By the pattern; where that is taken, the serial number follows.' }),
        authority: z.string().nullable(),
        keyType: z.string(),
        names: z.array(z.string()),
        notBefore: InstantOut,
        notAfter: InstantOut,
      })
      .nullable(),
    destinations: z.array(Place),
    supersedes: z.array(Named).meta({ description: 'What the successor takes the place of, once it is in place.' }),
    tells: z.string().nullable().meta({ description: 'Who is told by mail.' }),
  })
  .meta({ id: 'Rotation' });
export type RotationView = z.output<typeof RotationView>;
