import { z } from 'zod';
import { Reference } from '../platform/http/reference.js';

const perHour = z.int().min(1).max(1_000_000);

/** PUT /rotation/limits. */
export const LimitsRequest = z
  .strictObject({
    perHour: perHour.nullish().meta({ description: 'Of all authorities together. Null: no limit.' }),
    authorities: z
      .array(z.strictObject({ authority: Reference, perHour }))
      .max(1000)
      .default([])
      .meta({ description: 'Of single authorities; the others have none.' }),
  })
  .meta({ id: 'RotationLimitsRequest' });
export type LimitsRequest = z.output<typeof LimitsRequest>;

/** The most renewals that begin in any sixty minutes. */
export const LimitsView = z
  .object({
    perHour: z.int().nullable(),
    authorities: z.array(z.object({ authority: z.object({ id: z.int(), name: z.string() }), perHour: z.int() })),
  })
  .meta({ id: 'RotationLimits' });
export type LimitsView = z.output<typeof LimitsView>;
