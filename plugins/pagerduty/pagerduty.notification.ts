import { createHash } from 'node:crypto';
import { z } from 'zod';
import { incidentEvents, tellIncidents, type ToldIncident } from '../../src/plugin-api/incidents.js';
import { cut } from '../../src/plugin-api/message-text.js';
import { defineNotification, type NotificationMessage } from '../../src/plugin-api/notification.js';
import { secret } from '../../src/plugin-api/options.js';
import { postTo, type ReceiverAnswer, type ReceiverSays } from '../../src/plugin-api/receiver.js';

const options = z.strictObject({
  routingKey: secret(
    'Integration key',
    'Of an integration "Events API v2" of a service or an event orchestration.',
  ).regex(/^[0-9A-Za-z]{32}$/, 'must be 32 letters and digits'),
  region: z.enum(['us', 'eu']).default('us').meta({ title: 'Region', description: 'Where the account is.' }),
});

const hosts = { us: 'https://events.pagerduty.com', eu: 'https://events.eu.pagerduty.com' } as const;
/** PagerDuty takes 120 events a minute from one integration, some 20 of which come with one message. */
const mostIncidents = 20;
/** https://developer.pagerduty.com/docs/send-alert-event */
const [longestKey, longestSummary, longestDetail] = [255, 1024, 2000];

const ErrorBody = z.object({ message: z.string().optional(), errors: z.array(z.string()).default([]) });

/**
 * Triggers one alert for each certificate or authority with a problem, under a key of that problem, so that a repeated
 * message and a further warning change the alert that is there; resolves it when the certificate is renewed or revoked.
 */
export const pagerduty = defineNotification({
  id: 'pagerduty',
  title: 'PagerDuty',
  description:
    'Triggers an alert in PagerDuty for each certificate or authority with a problem, and resolves it when the ' +
    'certificate is renewed or revoked.',
  options,
  hears: incidentEvents,

  async send(message, { routingKey, region }, ctx) {
    await tellIncidents(message, { most: mostIncidents, signal: ctx.signal }, async (incident) => {
      await postTo(ctx.site, {
        name: 'PagerDuty',
        url: `${hosts[region]}/v2/enqueue`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ routing_key: routingKey, ...eventOf(message, incident) }),
        secrets: [routingKey],
        read,
      });
    });
  },
});

function eventOf(message: NotificationMessage, incident: ToldIncident): object {
  const { action, key, summary, severity, url } = incident;
  const dedupKey = key.length <= longestKey ? key : createHash('sha256').update(key).digest('hex');
  if (action === 'close') return { event_action: 'resolve', dedup_key: dedupKey };
  const facts = incident.facts.map(([label, value]) => [label, cut(value, longestDetail)] as const);
  return {
    event_action: 'trigger',
    dedup_key: dedupKey,
    client: 'Perennial',
    client_url: url,
    links: [{ href: url, text: 'Open in Perennial' }],
    payload: {
      summary: cut(summary, longestSummary),
      source: new URL(url).host,
      severity,
      class: message.event,
      custom_details: {
        message: cut(message.content.paragraphs.join(' '), longestDetail),
        ...Object.fromEntries(facts),
      },
    },
  };
}

/** A wrong key is told as an error of the event. */
function read({ status, json }: ReceiverAnswer): ReceiverSays | undefined {
  const body = ErrorBody.safeParse(json);
  if (status < 300 || !body.success) return undefined;
  const words = [body.data.message, ...body.data.errors].filter((text) => text !== undefined).join(': ');
  return { words, ...(status === 400 && /routing_key/.test(words) && { fault: 'misconfigured' }) };
}
