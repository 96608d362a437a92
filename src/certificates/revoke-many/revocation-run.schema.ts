import { z } from 'zod';
import { InstantOut } from '../../platform/http/instant.js';
import { pageOf } from '../../platform/http/page.js';
import { RevokeRequest } from '../revoke/revoke.schema.js';
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

const perMinute = z
  .int()
  .min(1)
  .max(mostPerHour / 60);

/** POST /revocations. */
export const CreateRun = selecting(
  z.strictObject({
    ...selectionShape,
    ...RevokeRequest.shape,
    perMinute: perMinute.default(60).meta({ description: 'The most certificates that are revoked in a minute.' }),
  }),
).meta({ id: 'CreateRevocationRun' });
export type CreateRun = z.output<typeof CreateRun>;

/** PUT /revocations/{id}. What is absent stays as it is. */
export const UpdateRun = z
  .strictObject({
    ...updateShape,
    perMinute: perMinute.optional().meta({
      description: 'Only administrators and the actor, with whose rights it goes on, change it.',
    }),
    crlReason: asRead,
    comments: asRead,
    invalidityDate: asRead,
    replace: asRead,
  })
  .meta({ id: 'UpdateRevocationRun' });
export type UpdateRun = z.output<typeof UpdateRun>;

export const RunView = z
  .object({
    ...runShape,
    crlReason: z.string(),
    comments: z.string().nullable(),
    invalidityDate: InstantOut.nullable(),
    replace: z.boolean().nullable(),
    perMinute: z.int(),
    items: z
      .object({ waiting: z.int(), done: z.int(), alreadyRevoked: z.int(), failed: z.int() })
      .meta({ description: 'How many certificates are in each state.' }),
  })
  .meta({ id: 'RevocationRun' });
export type RunView = z.output<typeof RunView>;

/** What would become of the certificates that a request selects. */
export const RunCheck = z
  .object({
    selected: z.int(),
    revocable: z.int(),
    alreadyRevoked: z.int(),
    unchecked: z.int().meta({ description: 'Not checked in the time of one request.' }),
    refused: z.array(z.object(refusalShape).meta({ id: 'RevocationRefusals' })),
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

const states = ['waiting', 'done', 'already-revoked', 'failed'] as const;

export const RunItemView = z.object({ ...itemShape, state: z.enum(states) }).meta({ id: 'RevocationRunItem' });
export type RunItemView = z.output<typeof RunItemView>;

export const RunPage = pageOf(RunView);
export const RunItemPage = pageOf(RunItemView);
export const RevocationItemQuery = itemQuery(states);
export type RevocationItemQuery = z.output<typeof RevocationItemQuery>;
