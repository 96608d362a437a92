import { z } from 'zod';
import { InstantOut } from '../../platform/http/instant.js';
import { listQuery } from '../../platform/http/page.js';
import { CertificateFilter } from '../bulk/bulk.schema.js';

// The parts that requests for runs and views of runs share, whatever the runs do to certificates.

const mostIds = 10_000;
const mostSelected = 100_000;
/** The fastest pace that can be named, in certificates an hour. */
export const mostPerHour = 360_000;

/** `running` and `paused` can change; the others are the end. */
export const runStates = ['running', 'paused', 'cancelled', 'finished'] as const;
export type RunState = (typeof runStates)[number];

/** `already-revoked` also says of a request that it was cancelled by others. */
export const itemStates = ['waiting', 'done', 'already-revoked', 'already-replaced', 'failed'] as const;
export type ItemState = (typeof itemStates)[number];

/** Which certificates a run is for. Give these members to `selecting` too. */
export const selectionShape = {
  ids: z.array(z.int().min(1).max(2_147_483_647)).min(1).max(mostIds).optional(),
  filter: CertificateFilter.optional(),
  maximum: z
    .int()
    .min(1)
    .max(mostSelected)
    .optional()
    .meta({ description: 'With `filter`: the request is refused if the filter selects more certificates.' }),
  dryRun: z.boolean().default(true).meta({ description: 'True: only check what would be done.' }),
};

/** The members of a request that select certificates. */
export interface SelectionWish {
  ids?: number[];
  filter?: CertificateFilter;
  maximum?: number;
}

/** Demands either `ids`, or `filter` with `maximum`. */
export function selecting<T extends z.ZodType<SelectionWish>>(schema: T): T {
  return schema
    .refine((r) => (r.ids === undefined) !== (r.filter === undefined), {
      message: 'Give either ids or a filter.',
      path: ['ids'],
    })
    .refine((r) => r.filter === undefined || r.maximum !== undefined, {
      message: 'Give the maximum number of certificates that the filter may select.',
      path: ['maximum'],
    });
}

/** A member of a view that clients may send back. */
export const asRead = z.unknown().optional().meta({ description: 'Ignored: clients send back what they got.' });

/** The members of a PUT that every run has. What is absent stays as it is. */
export const updateShape = {
  state: z
    .enum(runStates)
    .optional()
    .meta({
      description:
        '`paused`, `running` or `cancelled`. Whoever resumes it gives it their own rights from then on, and must ' +
        'name its `version`.',
    }),
  version: z.int().optional().meta({ description: 'The version that was read: a change of another one is refused.' }),
  id: asRead,
  filter: asRead,
  creator: asRead,
  actor: asRead,
  items: asRead,
  nextAt: asRead,
  faultDetail: asRead,
  createdAt: asRead,
  endedAt: asRead,
};

const UserName = z.object({ id: z.int(), username: z.string() });

/** The members of a view that every run has. */
export const runShape = {
  id: z.int(),
  state: z.enum(runStates),
  filter: z.record(z.string(), z.unknown()).nullable().meta({ description: 'Null: the request named ids.' }),
  creator: UserName,
  version: z.int().meta({ description: 'Grows when its state, its actor or its pace changes.' }),
  actor: UserName.meta({ description: 'With whose rights it goes on: who made it, or resumed it last.' }),
  nextAt: InstantOut.nullable().meta({ description: 'When it goes on; null unless it is running.' }),
  faultDetail: z.string().nullable().meta({ description: 'Why it was paused by the program.' }),
  createdAt: InstantOut,
  endedAt: InstantOut.nullable(),
};

/** The members of a view that every certificate of a run has. */
export const itemShape = {
  certificateId: z.int(),
  attempts: z.int(),
  problem: z.object({ code: z.string(), detail: z.string() }).nullable(),
  at: InstantOut.nullable().meta({ description: 'When it was attempted last.' }),
};

/** Certificates with which the same is wrong. */
export const refusalShape = {
  code: z.string(),
  detail: z.string().meta({ description: 'Of the first of them.' }),
  count: z.int(),
  ids: z.array(z.int()).meta({ description: 'At most 20.' }),
};
export type Refusal = z.output<z.ZodObject<typeof refusalShape>>;

export const RunQuery = listQuery('id', 'state', 'createdAt').extend({ state: z.enum(runStates).optional() });
export type RunQuery = z.output<typeof RunQuery>;

/** `states`: those that a certificate of such a run can have. */
export function itemQuery<const T extends readonly ItemState[]>(states: T) {
  return listQuery('id').extend({ state: z.enum(states).optional() });
}
export type RunItemQuery = z.output<ReturnType<typeof itemQuery<readonly ItemState[]>>>;
