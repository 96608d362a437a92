import { z } from 'zod';
import { visibleText } from '../platform/http/visible-text.js';
import { type NoticeEvent, noticeEvents } from '../plugin-api/events.js';
import { listQuery } from '../platform/http/page.js';
import { queryBoolean } from '../platform/http/query.js';
import { Reference } from '../platform/http/reference.js';
import { LeadUnit, leadUnits, longestLeadS } from '../platform/plugins/lead-options.js';
import { subscriptionScopes } from './subscription.entity.js';

/** A label of certificates, which ignores case. */
export const Label = visibleText(64).toLowerCase();
/** The certificates that a request adds to a subscription or removes from it. */
export const ListedCertificates = z.array(Reference).max(1000);
/** What requests for subscriptions and for Lemur's notifications, which are subscriptions too, have in common. */
export const subscriptionMembers = {
  label: visibleText(256).meta({ description: 'Unique, ignoring case. The prefix `DEFAULT_` is reserved.' }),
  description: z.string().max(1024).nullish(),
  active: z.boolean().default(true),
};
const Events = z.array(z.enum(noticeEvents));
const expiring = 'certificate.expiring' as const;

/** Problems of a certificate that last until somebody acts: these can be acknowledged, and escalate. */
export const lastingProblems = [
  'certificate.expiring',
  'certificate.rotation-failed',
  'certificate.no-destination',
  'certificate.still-served',
  'delivery.failing',
  'delivery.left',
] as const satisfies readonly NoticeEvent[];
export type LastingProblem = (typeof lastingProblems)[number];

/** POST and PUT /subscriptions. */
export const SubscriptionRequest = z
  .strictObject({
    ...subscriptionMembers,
    channel: Reference,
    events: Events.min(1).max(noticeEvents.length).meta({ description: 'The events to send.' }),
    leads: z
      .array(z.int().min(1))
      .max(20)
      .optional()
      .meta({
        description:
          `How long before the expiry to send \`${expiring}\`. Default: 30 days, or 4 weeks in weeks; ` +
          'at most 366 days.',
      }),
    leadUnit: LeadUnit.default('days'),
    scope: z.enum(subscriptionScopes).default('certificates').meta({
      description: 'The certificates: the listed ones, all of an owner, of an authority, with a label, or all.',
    }),
    owner: z.string().trim().toLowerCase().min(1).max(256).optional(),
    authority: Reference.optional(),
    certificateLabel: Label.optional(),
    escalation: z
      .strictObject({ afterDays: z.int().min(1).max(365), channel: Reference })
      .nullish()
      .meta({
        description:
          'Another channel, which is told when so many days after a message the certificate is neither renewed, ' +
          `repaired nor acknowledged. For: ${lastingProblems.join(', ')}.`,
      }),
    certificates: ListedCertificates.optional().meta({ description: 'Certificates to add to the list.' }),
    removedCertificates: ListedCertificates.optional().meta({
      description:
        "Certificates to remove. Those without another warning by mail get their owner's default notifications.",
    }),
  })
  .refine(({ scope, owner }) => (scope === 'owner') === (owner !== undefined), {
    path: ['owner'],
    error: 'must be given for the scope `owner`, and for no other',
  })
  .refine(({ scope, authority }) => (scope === 'authority') === (authority !== undefined), {
    path: ['authority'],
    error: 'must be given for the scope `authority`, and for no other',
  })
  .refine(({ scope, certificateLabel }) => (scope === 'label') === (certificateLabel !== undefined), {
    path: ['certificateLabel'],
    error: 'must be given for the scope `label`, and for no other',
  })
  .refine(({ scope, certificates }) => scope === 'certificates' || !certificates?.length, {
    path: ['certificates'],
    error: 'can be given for the scope `certificates` alone',
  })
  .refine(({ events, leads }) => events.includes(expiring) || !leads?.length, {
    path: ['leads'],
    error: `can be given for the event ${expiring} alone`,
  })
  .refine(({ leads = [], leadUnit }) => leads.every((lead) => lead * leadUnits[leadUnit] <= longestLeadS), {
    path: ['leads'],
    error: 'must not be longer than 366 days',
  })
  .refine(({ events, escalation }) => !escalation || events.some((event) => isLastingProblem(event)), {
    path: ['escalation'],
    error: `can be given for these events alone: ${lastingProblems.join(', ')}`,
  })
  .meta({ id: 'SubscriptionRequest' });
export type SubscriptionRequest = z.output<typeof SubscriptionRequest>;

/** Whether an event lasts until somebody acts. */
export function isLastingProblem(event: NoticeEvent): boolean {
  return (lastingProblems as readonly NoticeEvent[]).includes(event);
}

/** The leads of a request in seconds, longest first, each once. */
export function leadsOf({ events, leads, leadUnit }: SubscriptionRequest): number[] {
  if (!events.includes(expiring)) return [];
  const unitS = leadUnits[leadUnit];
  const asked = leads?.length ? leads : [Math.floor((30 * leadUnits.days) / unitS)];
  return [...new Set(asked.map((lead) => lead * unitS))].sort((a, b) => b - a);
}

export const SubscriptionView = z
  .object({
    id: z.int(),
    label: z.string(),
    description: z.string().nullable(),
    active: z.boolean(),
    channel: z.object({ id: z.int(), label: z.string(), pluginName: z.string() }),
    events: Events,
    leads: z.array(z.int()).meta({ description: 'In `leadUnit` before the expiry.' }),
    leadUnit: LeadUnit,
    scope: z.enum(subscriptionScopes),
    owner: z.string().nullable(),
    certificateLabel: z.string().nullable(),
    authority: z.object({ id: z.int(), name: z.string() }).nullable(),
    escalation: z.object({ afterDays: z.int(), channel: z.object({ id: z.int(), label: z.string() }) }).nullable(),
    builtIn: z.boolean().meta({ description: 'True for a default subscription, made by the program.' }),
  })
  .meta({ id: 'Subscription' });
export type SubscriptionView = z.output<typeof SubscriptionView>;

export const SubscriptionQuery = listQuery('id', 'label', 'active', 'scope').extend({
  active: queryBoolean().optional(),
  channelId: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
});
export type SubscriptionQuery = z.output<typeof SubscriptionQuery>;
