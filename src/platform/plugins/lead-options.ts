import { z } from 'zod';
import type { AnyPlugin } from '../../plugin-api/any-plugin.js';
import type { OptionSchema } from '../../plugin-api/options.js';

/** Units in which a lead can be given, in seconds. A month has 30 days. */
export const leadUnits = { minutes: 60, hours: 3600, days: 86_400, weeks: 7 * 86_400, months: 30 * 86_400 } as const;
export type LeadUnit = keyof typeof leadUnits;
export const LeadUnit = z.enum(Object.keys(leadUnits) as [LeadUnit, ...LeadUnit[]]);

/** The longest lead, in seconds. */
export const longestLeadS = 366 * leadUnits.days;

/** How long before expiry a notification warns. In Lemur these are options of every notification plugin. */
const lead = {
  interval: z
    .int()
    .min(1)
    .default(30)
    .meta({ title: 'Interval', description: 'How many units before expiry the message is sent; 366 days at most.' }),
  unit: LeadUnit.default('days').meta({ title: 'Unit', description: 'Unit of the interval. A month has 30 days.' }),
};
export const LeadOptions = z.object(lead);
export type LeadOptions = z.output<typeof LeadOptions>;

export function isLeadOption(name: string): boolean {
  return Object.hasOwn(lead, name);
}

/**
 * The options of a plugin as Lemur's clients see them: those of a notification plugin begin with the lead, which is
 * stored with the subscription and which the plugin's own code never receives.
 */
export function lemurOptions({ kind, options }: Pick<AnyPlugin, 'kind' | 'options'>): OptionSchema {
  if (kind !== 'notification') return options;
  return z
    .strictObject({ ...lead, ...options.shape })
    .refine(({ interval, unit }) => interval * leadUnits[unit] <= longestLeadS, {
      path: ['interval'],
      error: 'must not be longer than 366 days',
    })
    .superRefine(({ interval: _, unit: __, ...rest }, context) => {
      const own: Record<string, unknown> = rest;
      // What a single option says is wrong was said above; the object as a whole may have rules of its own.
      const isSaid = ([name]: PropertyKey[]): boolean =>
        typeof name === 'string' &&
        options.shape[name] !== undefined &&
        !z.safeParse(options.shape[name], own[name]).success;
      for (const { path, message } of options.safeParse(own).error?.issues ?? [])
        if (!isSaid(path)) context.addIssue({ code: 'custom', path, message });
    });
}
