import type { NoticeEvent } from '../plugin-api/events.js';
import { leadUnits } from '../platform/plugins/lead-options.js';

/** What planning needs to know of a notification. `leadS`: the longest, in seconds. */
export interface Lead {
  id: number;
  leadS: number;
}
/** How other answers name it. */
export interface LabelledNotification {
  id: number;
  label: string;
  description: string | null;
  active: boolean;
  pluginId: string;
  options: Record<string, unknown>;
}
/** `mails`: whether its channel sends mail. */
export type NamedNotification = Lead & LabelledNotification & { mails: boolean };

/**
 * In SQL, the longest lead, in seconds, of active subscriptions that neither list certificates nor are default ones. A
 * plan by it looks at a certificate too early at worst.
 */
export const longestScopedLead = `(select max(l) from subscription s join channel ch on ch.id = s.channel_id
  and s.active and ch.active and s.scope <> 'certificates' and not s.built_in cross join unnest(s.leads_s) as l)`;

/** In SQL, whether any active subscription hears of an event. */
export const someHear = (event: NoticeEvent): string =>
  `exists (select from subscription where active and '${event}' = any(events))`;

/** In SQL, the longest lead of the subscription `s`, in seconds. */
export const longestLead = (s: string): string => `(select max(l) from unnest(${s}.leads_s) as l)`;

/** In SQL, the members of a `LabelledNotification` of the subscription `s` and its channel `ch`. */
export function notificationMembers(s: string, ch: string): readonly (readonly [name: string, sql: string])[] {
  const unitS = Object.entries(leadUnits)
    .map(([unit, seconds]) => `when '${unit}' then ${seconds}`)
    .join(' ');
  return [
    ['id', `${s}.id`],
    ['label', `${s}.label`],
    ['description', `${s}.description`],
    ['active', `${s}.active and ${ch}.active`],
    ['pluginId', `${ch}.plugin_id`],
    [
      'options',
      `${ch}.options || jsonb_build_object('interval', ${longestLead(s)} / case ${s}.lead_unit ${unitS} end,
      'unit', ${s}.lead_unit)`,
    ],
  ];
}

const named = [
  ...notificationMembers('s', 'ch'),
  ['leadS', longestLead('s')] as const,
  ['mails', 'ch.recipients is not null'] as const,
];
/** In SQL, the columns of a `NamedNotification`. */
export const namedColumns = named.map(([name, sql]) => `${sql} as "${name}"`).join(', ');
/** The same as arguments of `json_build_object`. */
export const namedNotification = named.map(([name, sql]) => `'${name}', ${sql}`).join(', ');
/** Where the members of a notification come from. Lemur knows nothing of subscriptions without a lead. */
export const notificationTables = 'subscription s join channel ch on ch.id = s.channel_id';
