import { z } from 'zod';
import { Reference } from '../../platform/http/reference.js';
import { OwnerName } from '../../roles/role-name.js';
import { RevokeRequest } from '../revoke/revoke.schema.js';

/** So many certificates are worked off in one request. */
export const mostAtOnce = 200;

const Change = z
  .strictObject({
    owner: OwnerName.optional(),
    notify: z.boolean().optional(),
    rotation: z.boolean().optional(),
    rotationPolicy: Reference.optional(),
  })
  .refine((change) => Object.values(change).some((value) => value !== undefined), 'Say what is to change.');

const one = (...values: unknown[]): boolean => values.filter((value) => value !== undefined).length === 1;

/** POST /certificates/bulk. Which certificates: `ids` or `filter`. What with them: `change`, `reissue` or `revoke`. */
export const BulkRequest = z
  .strictObject({
    ids: z.array(z.int().min(1).max(2_147_483_647)).min(1).max(mostAtOnce).optional(),
    filter: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .optional()
      .meta({
        description:
          'The parameters of `GET /certificates` that select: `{"owner": "joe@example.com", "timeRange": 4}`.',
      }),
    maximum: z
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .meta({ description: 'With `filter`: nothing is done when it selects more than this.' }),
    after: z.string().max(8192).optional().meta({ description: 'With `filter`: the `next` of the answer before.' }),
    change: Change.optional(),
    reissue: z.strictObject({ notify: z.boolean().default(true) }).optional(),
    revoke: RevokeRequest.optional(),
    dryRun: z.boolean().optional().meta({
      description: 'Only say what could be done. Default: true for `reissue` and `revoke`, false for `change`.',
    }),
  })
  .refine((r) => one(r.ids, r.filter), { message: 'Give either ids or a filter.', path: ['ids'] })
  .refine((r) => r.filter === undefined || r.maximum !== undefined, {
    message: 'Say how many certificates the filter may select at most.',
    path: ['maximum'],
  })
  .refine((r) => one(r.change, r.reissue, r.revoke), {
    message: 'Give one of change, reissue and revoke.',
    path: ['change'],
  })
  .meta({ id: 'BulkRequest' });
export type BulkRequest = z.output<typeof BulkRequest>;

const Item = z
  .object({
    id: z.int(),
    ok: z.boolean(),
    problem: z
      .object({ code: z.string(), status: z.int(), detail: z.string() })
      .nullable()
      .meta({ description: 'Why not. Others are not affected.' }),
    successorId: z.int().nullable().meta({ description: 'The certificate that a reissue asked for.' }),
  })
  .meta({ id: 'BulkItem' });
export type BulkItem = z.output<typeof Item>;

export const BulkView = z
  .object({
    dryRun: z.boolean(),
    items: z.array(Item),
    done: z.int(),
    failed: z.int(),
    next: z.string().optional().meta({ description: 'There are more: send the same request with this as `after`.' }),
  })
  .meta({ id: 'BulkResult' });
export type BulkView = z.output<typeof BulkView>;
