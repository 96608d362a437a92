import { z } from 'zod';
import { instant, InstantOut } from '../platform/http/instant.js';
import { listQuery } from '../platform/http/page.js';
import { visibleText } from '../platform/http/visible-text.js';
import { Maintenance, nextOpenings } from './maintenance.js';
import type { RotationPolicy } from './policy.entity.js';
import type { PolicyValues } from './policy.repository.js';

const shownOpenings = 3;

/** POST and PUT /policies. With both `days` and `lifetimeFraction`, the earlier one counts. */
export const PolicyRequest = z
  .strictObject({
    id: z.unknown().optional().meta({ description: 'Ignored: clients may send the whole object back.' }),
    name: visibleText(128),
    description: z.string().max(1024).nullish(),
    days: z.int().min(0).max(3650).nullish().meta({ description: 'Days before expiry.' }),
    lifetimeFraction: z
      .number()
      .gt(0)
      .max(0.8)
      .nullish()
      .meta({ description: 'Remaining share of the lifetime, e.g. 0.33.' }),
    spreadHours: z
      .number()
      .min(0)
      .max(720)
      .nullish()
      .meta({
        description:
          'Renewals are spread over so many hours before they are due, at most a tenth of the lifetime. ' +
          'Default: a fiftieth of the lifetime, at most a day.',
      }),
    emergencyFraction: z
      .number()
      .gt(0)
      .max(0.2)
      .nullish()
      .meta({
        description:
          'At this remaining share of the lifetime no maintenance window, limit or ordinary pause holds a renewal. ' +
          'Default: 0.02.',
      }),
    maintenance: Maintenance.nullish().meta({ description: 'When renewals may begin. Default: at any time.' }),
    nextWindows: z.unknown().optional().meta({ description: 'Ignored.' }),
  })
  .refine((p) => typeof p.days === 'number' || typeof p.lifetimeFraction === 'number', {
    message: 'Give days, lifetimeFraction, or both.',
    path: ['days'],
  })
  .refine((p) => (p.emergencyFraction ?? 0) < (p.lifetimeFraction ?? 1), {
    message: 'Must be less than lifetimeFraction.',
    path: ['emergencyFraction'],
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
    spreadHours: z.number().nullable(),
    emergencyFraction: z.number().nullable(),
    maintenance: Maintenance.nullable(),
    nextWindows: z
      .array(z.object({ from: InstantOut, to: InstantOut }))
      .nullable()
      .meta({ description: 'The next three maintenance windows, or the one that is open and the next two.' }),
  })
  .meta({ id: 'Policy' });
export type PolicyView = z.output<typeof PolicyView>;

export function policyView(policy: RotationPolicy, now: Date): PolicyView {
  const { id, maintenance } = policy;
  const windows = maintenance && nextOpenings(maintenance, now, shownOpenings);
  return {
    id,
    ...policyValues(policy),
    nextWindows: windows && windows.map(({ from, to }) => ({ from: instant(from), to: instant(to) })),
  };
}

/** What a request says of a policy, with null for what is absent. */
export function policyValues(said: Partial<PolicyValues> & Pick<PolicyValues, 'name'>): PolicyValues {
  const { name, description = null, days = null, lifetimeFraction = null } = said;
  const { spreadHours = null, emergencyFraction = null, maintenance = null } = said;
  return { name, description, days, lifetimeFraction, spreadHours, emergencyFraction, maintenance };
}

export const PolicyQuery = listQuery('id', 'name', 'days', 'lifetimeFraction');
