import { z } from 'zod';
import { listQuery } from '../platform/http/page.js';
import type { RotationPolicy } from './policy.entity.js';

/** POST and PUT /policies. With both `days` and `lifetimeFraction`, the earlier one counts. */
export const PolicyRequest = z
  .strictObject({
    id: z.unknown().optional().meta({ description: 'Ignored: clients may send the whole object back.' }),
    name: z.string().trim().min(1).max(128),
    description: z.string().max(1024).nullish(),
    days: z.int().min(0).max(3650).nullish().meta({ description: 'Days before expiry.' }),
    lifetimeFraction: z
      .number()
      .gt(0)
      .max(0.8)
      .nullish()
      .meta({ description: 'Remaining share of the lifetime, e.g. 0.33.' }),
  })
  .refine((p) => typeof p.days === 'number' || typeof p.lifetimeFraction === 'number', {
    message: 'Give days, lifetimeFraction, or both.',
    path: ['days'],
  })
  .meta({ id: 'PolicyRequest' });
export type PolicyRequest = z.output<typeof PolicyRequest>;

export const PolicyView = z
  .object({
    id: z.int(),
    name: z.string(),
    description: z.string().nullable(),
    days: z.int().nullable(),
    lifetimeFraction: z.number().nullable(),
  })
  .meta({ id: 'Policy' });
export type PolicyView = z.output<typeof PolicyView>;

export function policyView({ id, name, description, days, lifetimeFraction }: RotationPolicy): PolicyView {
  return { id, name, description, days, lifetimeFraction };
}

export const PolicyQuery = listQuery('id', 'name', 'days', 'lifetimeFraction');
