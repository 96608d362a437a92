import type { PluginError } from './errors.js';
import { type NoticeEvent, noticeEvents } from './events.js';
import type { Incident, MessageCard, NotificationMessage } from './notification.js';
import { atEvery } from './targets.js';

/** The events that are no problem and end none: services for people on call do not hear of them. */
const uneventful: readonly NoticeEvent[] = ['certificate.issued', 'certificate.discovered', 'summary.weekly'];

/** The events that open or close incidents. */
export const incidentEvents: readonly NoticeEvent[] = noticeEvents.filter((event) => !uneventful.includes(event));

/** An incident with the facts of its certificate or authority, or with the names of all of which it is. */
export interface ToldIncident extends Incident {
  facts: MessageCard['facts'];
}

/**
 * Tells the incidents of a message one by one: that a service refuses one keeps no other from it. Throws PluginError.
 */
export async function tellIncidents(
  message: NotificationMessage,
  { most, signal }: { most: number; signal: AbortSignal },
  tell: (incident: ToldIncident) => Promise<void>,
): Promise<void> {
  const targets = incidentsWithin(message, most).map((incident) => ({ name: incident.summary, incident }));
  // One that is busy, or that does not know its key, answers the others in the same way.
  const rules = { signal, isOfAll: ({ fault }: PluginError) => fault !== 'refused' };
  await atEvery(targets, rules, ({ incident }) => tell(incident));
}

/**
 * The incidents of a message. When it opens more than `most`, one incident of all takes their place, which a person
 * closes: services limit how many a minute they take.
 */
function incidentsWithin(message: NotificationMessage, most: number): ToldIncident[] {
  const { incidents, content, subject: summary, severity, dedupeKey } = message;
  const told = incidents.map((one) => ({
    ...one,
    facts: content.cards.find(({ url }) => url === one.url)?.facts ?? [],
  }));
  const opened = told.filter(({ action }) => action === 'open');
  const [first] = opened;
  if (!first || opened.length <= most) return told;
  const [key, names] = [`${first.url}#${dedupeKey}`, content.cards.map(({ title }) => title).join(', ')];
  const all: ToldIncident = { ...first, key, summary, severity, facts: [['Names', names]] };
  return [all, ...told.filter(({ action }) => action === 'close')];
}
