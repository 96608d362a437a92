import { createHash } from 'node:crypto';
import { z } from 'zod';
import { incidentEvents, tellIncidents, type ToldIncident } from '../../src/plugin-api/incidents.js';
import { cut } from '../../src/plugin-api/message-text.js';
import { defineNotification, type NotificationMessage, type Severity } from '../../src/plugin-api/notification.js';
import { secret } from '../../src/plugin-api/options.js';
import { postTo, type ReceiverAnswer, type ReceiverSays } from '../../src/plugin-api/receiver.js';

const options = z.strictObject({
  apiKey: secret('API key', 'Of an integration "API" that may create and close alerts.').max(256),
  region: z.enum(['us', 'eu', 'jira']).default('us').meta({
    title: 'Region',
    description: 'Where the account is. `jira`: in Jira Service Management, into which Opsgenie moves.',
  }),
  tags: z
    .array(z.string().min(1).max(50))
    .max(18)
    .default([])
    .meta({ title: 'Tags', description: 'Tags of every alert, beside the name of the event.' }),
});

const addresses = {
  us: 'https://api.opsgenie.com/v2/alerts',
  eu: 'https://api.eu.opsgenie.com/v2/alerts',
  jira: 'https://api.atlassian.com/jsm/ops/integration/v2/alerts',
} as const;
/** Plans limit the requests a minute; with more certificates in one message there is one alert of all. */
const mostIncidents = 20;
/** https://docs.opsgenie.com/docs/alert-api */
const [longestMessage, longestDescription, longestDetail] = [130, 15_000, 500];
const priorities: Readonly<Record<Severity, string>> = { critical: 'P1', error: 'P2', warning: 'P3', info: 'P5' };

const ErrorBody = z.object({ message: z.string() });

/**
 * Creates one alert for each certificate or authority with a problem, whose alias is the key of that problem, so that a
 * repeated message and a further warning count up the alert that is open; closes it when the certificate is renewed or
 * revoked.
 */
export const opsgenie = defineNotification({
  id: 'opsgenie',
  title: 'Opsgenie',
  description:
    'Creates an alert in Opsgenie or Jira Service Management for each certificate or authority with a problem, and ' +
    'closes it when the certificate is renewed or revoked.',
  options,
  hears: incidentEvents,

  async send(message, { apiKey, region, tags }, ctx) {
    await tellIncidents(message, { most: mostIncidents, signal: ctx.signal }, async (incident) => {
      const alias = aliasOf(incident);
      const isOpen = incident.action === 'open';
      await postTo(ctx.site, {
        name: 'Opsgenie',
        url: isOpen
          ? addresses[region]
          : `${addresses[region]}/${encodeURIComponent(alias)}/close?identifierType=alias`,
        headers: { 'content-type': 'application/json', authorization: `GenieKey ${apiKey}` },
        body: JSON.stringify(
          isOpen
            ? { ...alertOf(message, incident), alias, tags: [...tags, message.event] }
            : { source: 'Perennial', note: incident.summary },
        ),
        secrets: [apiKey],
        read: isOpen ? read : readClose,
      });
    });
  },
});

/** It stands in a path, in which proxies change slashes, and has 512 characters at most: a hash. */
function aliasOf({ key }: ToldIncident): string {
  return `perennial-${createHash('sha256').update(key).digest('hex')}`;
}

function alertOf(message: NotificationMessage, incident: ToldIncident): object {
  const facts = incident.facts.map(([label, value]) => [label, cut(value, longestDetail)] as const);
  return {
    message: cut(incident.summary, longestMessage),
    description: cut([...message.content.paragraphs, incident.url].join('\n\n'), longestDescription),
    details: Object.fromEntries([...facts, ['url', incident.url] as const]),
    source: 'Perennial',
    priority: priorities[incident.severity],
  };
}

function read({ status, json }: ReceiverAnswer): ReceiverSays | undefined {
  const body = ErrorBody.safeParse(json);
  return status >= 300 && body.success ? { words: body.data.message } : undefined;
}

/** An alert that is not there needs no closing. */
function readClose(answer: ReceiverAnswer): ReceiverSays | undefined {
  return answer.status === 404 ? { isTaken: true } : read(answer);
}
