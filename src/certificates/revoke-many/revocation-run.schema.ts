import { z } from 'zod';
import { InstantOut } from '../../platform/http/instant.js';
import { listQuery, pageOf } from '../../platform/http/page.js';
import { CertificateFilter } from '../bulk/bulk.schema.js';
import { RevokeRequest } from '../revoke/revoke.schema.js';

const mostIds = 10_000;
const mostSelected = 100_000;

/** `running` and `paused` can change; the others are the end. */
export const runStates = ['running', 'paused', 'cancelled', 'finished'] as const;
export type RunState = (typeof runStates)[number];

/** `already-revoked` also says of a request that it was cancelled by others. */
export const itemStates = ['waiting', 'done', 'already-revoked', 'failed'] as const;
export type ItemState = (typeof itemStates)[number];

const perMinute = z.int().min(1).max(6000);

/** POST /revocations. */
export const CreateRun = z
  .strictObject({
    ids: z.array(z.int().min(1).max(2_147_483_647)).min(1).max(mostIds).optional(),
    filter: CertificateFilter.optional(),
    maximum: z
      .int()
      .min(1)
      .max(mostSelected)
      .optional()
      .meta({ description: 'With `filter`: the request is refused if the filter selects more certificates.' }),
    ...RevokeRequest.shape,
    perMinute: perMinute.default(60).meta({ description: 'The most certificates that are revoked in a minute.' }),
    dryRun: z.boolean().default(true).meta({ description: 'True: only check what would be done.' }),
  })
  .refine((r) => (r.ids === undefined) !== (r.filter === undefined), {
    message: 'Give either ids or a filter.',
    path: ['ids'],
  })
  .refine((r) => r.filter === undefined || r.maximum !== undefined, {
    message: 'Give the maximum number of certificates that the filter may select.',
    path: ['maximum'],
  })
  .meta({ id: 'CreateRevocationRun' });
export type CreateRun = z.output<typeof CreateRun>;

const asRead = z.unknown().optional().meta({ description: 'Ignored: clients send back what they got.' });

/** PUT /revocations/{id}. What is absent stays as it is. */
export const UpdateRun = z
  .strictObject({
    state: z
      .enum(runStates)
      .optional()
      .meta({
        description:
          '`paused`, `running` or `cancelled`. Whoever resumes it gives it their own rights from then on, and must ' +
          'name its `version`.',
      }),
    perMinute: perMinute.optional().meta({
      description: 'Only administrators and the actor, with whose rights it goes on, change it.',
    }),
    version: z.int().optional().meta({ description: 'The version that was read: a change of another one is refused.' }),
    id: asRead,
    crlReason: asRead,
    comments: asRead,
    invalidityDate: asRead,
    replace: asRead,
    filter: asRead,
    creator: asRead,
    actor: asRead,
    items: asRead,
    nextAt: asRead,
    faultDetail: asRead,
    createdAt: asRead,
    endedAt: asRead,
  })
  .meta({ id: 'UpdateRevocationRun' });
export type UpdateRun = z.output<typeof UpdateRun>;

const UserName = z.object({ id: z.int(), username: z.string() });

export const RunView = z
  .object({
    id: z.int(),
    state: z.enum(runStates),
    crlReason: z.string(),
    comments: z.string().nullable(),
    invalidityDate: InstantOut.nullable(),
    replace: z.boolean().nullable(),
    filter: z.record(z.string(), z.unknown()).nullable().meta({ description: 'Null: the request named ids.' }),
    perMinute: z.int(),
    creator: UserName,
    version: z.int().meta({ description: 'Grows when its state, its actor or its pace changes.' }),
    actor: UserName.meta({ description: 'With whose rights it goes on: who made it, or resumed it last.' }),
    items: z
      .object({ waiting: z.int(), done: z.int(), alreadyRevoked: z.int(), failed: z.int() })
      .meta({ description: 'How many certificates are in each state.' }),
    nextAt: InstantOut.nullable().meta({ description: 'When the next ones are revoked; null unless it is running.' }),
    faultDetail: z.string().nullable().meta({ description: 'Why it was paused by the program.' }),
    createdAt: InstantOut,
    endedAt: InstantOut.nullable(),
  })
  .meta({ id: 'RevocationRun' });
export type RunView = z.output<typeof RunView>;

const Refusal = z
  .object({
    code: z.string(),
    detail: z.string().meta({ description: 'Of the first of them.' }),
    count: z.int(),
    ids: z.array(z.int()).meta({ description: 'At most 20.' }),
  })
  .meta({ id: 'RevocationRefusals' });
export type Refusal = z.output<typeof Refusal>;

/** What would become of the certificates that a request selects. */
export const RunCheck = z
  .object({
    selected: z.int(),
    revocable: z.int(),
    alreadyRevoked: z.int(),
    unchecked: z.int().meta({ description: 'Not checked in the time of one request.' }),
    refused: z.array(Refusal),
  })
  .meta({ id: 'RevocationRunCheck' });
export type RunCheck = z.output<typeof RunCheck>;

/** The answer to POST /revocations. */
export const CreatedRun = z
  .object({
    dryRun: z.boolean(),
    check: RunCheck.nullable().meta({ description: 'Of a dry run.' }),
    run: RunView.nullable().meta({ description: 'Null after a dry run.' }),
  })
  .meta({ id: 'CreatedRevocationRun' });
export type CreatedRun = z.output<typeof CreatedRun>;

export const RunItemView = z
  .object({
    certificateId: z.int(),
    state: z.enum(itemStates),
    attempts: z.int(),
    problem: z.object({ code: z.string(), detail: z.string() }).nullable(),
    at: InstantOut.nullable().meta({ description: 'When it was attempted last.' }),
  })
  .meta({ id: 'RevocationRunItem' });
export type RunItemView = z.output<typeof RunItemView>;

export const RunPage = pageOf(RunView);
export const RunItemPage = pageOf(RunItemView);

export const RunQuery = listQuery('id', 'state', 'createdAt').extend({ state: z.enum(runStates).optional() });
export type RunQuery = z.output<typeof RunQuery>;

export const RunItemQuery = listQuery('id').extend({ state: z.enum(itemStates).optional() });
export type RunItemQuery = z.output<typeof RunItemQuery>;
