import { z } from 'zod';
import { Reference } from '../../platform/http/reference.js';
import { OwnerName } from '../../roles/role-name.js';
import { RevokeRequest } from '../revoke/revoke.schema.js';

/** The maximum number of certificates in one request. */
export const mostAtOnce = 200;

const Change = z
  .strictObject({
    owner: OwnerName.optional(),
    notify: z.boolean().optional(),
    rotation: z.boolean().optional(),
    rotationPolicy: Reference.optional(),
  })
  .refine(
    (change) => Object.values(change).some((value) => value !== undefined),
    'Give at least one member to change.',
  );

/** Selects certificates as the list does. */
export const CertificateFilter = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).meta({
  description: 'Parameters of `GET /certificates` that select: `{"owner": "joe@example.com", "timeRange": 4}`.',
});
export type CertificateFilter = z.output<typeof CertificateFilter>;

const exactlyOne = (...values: unknown[]): boolean => values.filter((value) => value !== undefined).length === 1;

/**
 * POST /certificates/bulk: `ids` or `filter` selects certificates; `change`, `reissue` or `revoke` is the operation.
 */
export const BulkRequest = z
  .strictObject({
    ids: z.array(z.int().min(1).max(2_147_483_647)).min(1).max(mostAtOnce).optional(),
    filter: CertificateFilter.optional(),
    maximum: z
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .meta({ description: 'With `filter`: the request is refused if the filter selects more certificates.' }),
    after: z.string().max(8192).optional().meta({ description: 'With `filter`: `next` of the previous response.' }),
    change: Change.optional(),
    reissue: z.strictObject({ notify: z.boolean().default(true) }).optional(),
    revoke: RevokeRequest.optional(),
    dryRun: z.boolean().optional().meta({
      description: 'Only check what would be done. Default: true for `reissue` and `revoke`, false for `change`.',
    }),
  })
  .refine((r) => exactlyOne(r.ids, r.filter), { message: 'Give either ids or a filter.', path: ['ids'] })
  .refine((r) => r.filter === undefined || r.maximum !== undefined, {
    message: 'Give the maximum number of certificates that the filter may select.',
    path: ['maximum'],
  })
  .refine((r) => exactlyOne(r.change, r.reissue, r.revoke), {
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
      .meta({ description: 'Why it failed; null on success.' }),
    successorId: z.int().nullable().meta({ description: 'The certificate that a reissue created.' }),
  })
  .meta({ id: 'BulkItem' });
/** The outcome for one certificate. */
export type BulkItem = z.output<typeof Item>;

/** The response: one item for each certificate, and the numbers of successes and failures. */
export const BulkView = z
  .object({
    dryRun: z.boolean(),
    items: z.array(Item),
    done: z.int(),
    failed: z.int(),
    next: z
      .string()
      .optional()
      .meta({ description: 'Set if there are more: send the same request with this value as `after`.' }),
  })
  .meta({ id: 'BulkResult' });
export type BulkView = z.output<typeof BulkView>;

/** False if the same request, sent again, may do what it could not do now. */
export function isFinished({ items }: BulkView): boolean {
  return !items.some(({ problem }) => problem && ['unavailable', 'plugin-unavailable'].includes(problem.code));
}
