import { z } from 'zod';
import { InstantOut } from '../../platform/http/instant.js';
import { pageOf } from '../../platform/http/page.js';
import { Reference } from '../../platform/http/reference.js';
import { certificateStates } from '../certificate.entity.js';
import {
  asRead,
  itemQuery,
  itemShape,
  mostPerHour,
  refusalShape,
  runShape,
  selecting,
  selectionShape,
  updateShape,
} from '../runs/run.schema.js';

const perHour = z.int().min(1).max(mostPerHour).nullable();
/** Whether replacements wait for the maintenance windows of the policies of their certificates. */
export const windowWishes = ['keep', 'ignore'] as const;

/** POST /replacements. */
export const CreateReplacement = selecting(
  z.strictObject({
    ...selectionShape,
    reason: z
      .string()
      .trim()
      .min(1)
      .max(500)
      .meta({ description: 'Why they are replaced: in the description and the audit event of each successor.' }),
    authority: Reference.optional().meta({
      description: 'Another authority for the successors. You need the right to use it.',
    }),
    profile: Reference.optional().meta({ description: 'Another certificate profile for the successors.' }),
    keyType: z.string().min(1).max(40).optional().meta({
      description: 'Another type for the new keys, for example `ECCPRIME256V1`. Key usages follow from it.',
    }),
    perHour: perHour.default(600).meta({
      description: 'The most certificates that are replaced in an hour; null: as fast as it can.',
    }),
    maintenanceWindows: z.enum(windowWishes).default('keep').meta({
      description: '`keep`: each waits for the next maintenance window of its policy. Pauses hold it in any case.',
    }),
    includeRotationOff: z.boolean().default(false).meta({
      description: 'Also replace certificates for which rotation is switched off.',
    }),
    notify: z.boolean().default(true).meta({ description: 'Tell each owner when a successor is in place.' }),
  }),
).meta({ id: 'CreateReplacement' });
export type CreateReplacement = z.output<typeof CreateReplacement>;

/** PUT /replacements/{id}. What is absent stays as it is. */
export const UpdateReplacement = z
  .strictObject({
    ...updateShape,
    perHour: perHour.optional().meta({
      description: 'Only administrators and the actor, with whose rights it goes on, change it.',
    }),
    reason: asRead,
    authority: asRead,
    profile: asRead,
    keyType: asRead,
    maintenanceWindows: asRead,
    includeRotationOff: asRead,
    notify: asRead,
    successors: asRead,
  })
  .meta({ id: 'UpdateReplacement' });
export type UpdateReplacement = z.output<typeof UpdateReplacement>;

const Named = z.object({ id: z.int(), name: z.string() });

/** How a run replaces each of its certificates; null: as the certificate is. */
export const ReplacementWishes = z.object({
  reason: z.string(),
  authority: Named.nullable(),
  profile: Named.nullable(),
  keyType: z.string().nullable(),
  maintenanceWindows: z.enum(windowWishes),
  includeRotationOff: z.boolean(),
  notify: z.boolean(),
});
export type ReplacementWishes = z.output<typeof ReplacementWishes>;

/** A replacement of many certificates. */
export const ReplacementView = z
  .object({
    ...runShape,
    ...ReplacementWishes.shape,
    perHour: z.int().nullable().meta({ description: 'Null: as fast as it can.' }),
    items: z
      .object({
        waiting: z.int(),
        held: z.int().meta({ description: 'Those of the waiting ones that a pause, a window or a limit holds.' }),
        done: z.int().meta({ description: 'Their successors have been requested.' }),
        alreadyReplaced: z.int(),
        failed: z.int(),
      })
      .meta({ description: 'How many certificates are in each state.' }),
    successors: z
      .object({
        underWay: z.int(),
        issued: z.int(),
        ended: z.int().meta({ description: 'Failed or cancelled before they were issued.' }),
      })
      .meta({ description: 'What became of the successors that it has requested.' }),
  })
  .meta({ id: 'Replacement' });
export type ReplacementView = z.output<typeof ReplacementView>;

const Refused = z.object(refusalShape).meta({ id: 'ReplacementRefusals' });

/** One of the certificates that a request would replace. */
export const ReplacementExample = z
  .object({
    id: z.int(),
    name: z.string(),
    successor: z.object({ authority: z.string().nullable(), keyType: z.string(), notAfter: InstantOut }),
    destinations: z.array(z.string()).meta({ description: 'Where the successor is delivered.' }),
  })
  .meta({ id: 'ReplacementExample' });
export type ReplacementExample = z.output<typeof ReplacementExample>;

/** What would become of the certificates that a request selects. */
export const ReplacementCheck = z
  .object({
    selected: z.int(),
    replaceable: z.int(),
    alreadyReplaced: z.int(),
    unchecked: z.int().meta({ description: 'Not checked in the time of one request.' }),
    held: z.array(Refused).meta({ description: 'Those of the replaceable ones that would wait now, and for what.' }),
    refused: z.array(Refused).meta({ description: 'Those that would not be replaced, and why not.' }),
    examples: z.array(ReplacementExample).meta({ description: 'The first 20 that would be replaced.' }),
  })
  .meta({ id: 'ReplacementCheck' });
export type ReplacementCheck = z.output<typeof ReplacementCheck>;

/** The answer to POST /replacements. */
export const CreatedReplacement = z
  .object({
    dryRun: z.boolean(),
    check: ReplacementCheck.nullable().meta({ description: 'Of a dry run.' }),
    run: ReplacementView.nullable().meta({ description: 'Null after a dry run.' }),
  })
  .meta({ id: 'CreatedReplacement' });
export type CreatedReplacement = z.output<typeof CreatedReplacement>;

const states = ['waiting', 'done', 'already-replaced', 'failed'] as const;

/** What became of one certificate. `problem` of a waiting one says what holds it, or why it failed so far. */
export const ReplacementItemView = z
  .object({
    ...itemShape,
    name: z.string().nullable().meta({ description: 'Null when the certificate is deleted.' }),
    state: z.enum(states),
    heldUntil: InstantOut.nullable().meta({ description: 'When it is looked at again, while something holds it.' }),
    successor: Named.extend({ lifecycle: z.enum(certificateStates) }).nullable(),
  })
  .meta({ id: 'ReplacementItem' });
export type ReplacementItemView = z.output<typeof ReplacementItemView>;

export const ReplacementPage = pageOf(ReplacementView);
export const ReplacementItemPage = pageOf(ReplacementItemView);
export const ReplacementItemQuery = itemQuery(states);
export type ReplacementItemQuery = z.output<typeof ReplacementItemQuery>;
