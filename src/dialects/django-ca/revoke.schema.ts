import { z } from 'zod';
import { crlReasons } from '../../certificates/revoke/revoke.schema.js';
import { Instant } from '../../platform/http/instant.js';

type Reason = keyof typeof crlReasons;

/** The body of a revocation. */
export const RevokeBody = z
  .strictObject({
    reason: z.enum(Object.keys(crlReasons) as [Reason, ...Reason[]]).default('unspecified'),
    compromised: Instant.nullish(),
  })
  .default({ reason: 'unspecified' });
export type RevokeBody = z.output<typeof RevokeBody>;
