import { createHash } from 'node:crypto';
import { z } from 'zod';
import { cut, leftOut, textWithin } from '../../src/plugin-api/message-text.js';
import {
  defineNotification,
  type MessageCard,
  type NotificationMessage,
  type Severity,
} from '../../src/plugin-api/notification.js';
import { secret } from '../../src/plugin-api/options.js';
import { postTo, type ReceiverAnswer, type ReceiverSays } from '../../src/plugin-api/receiver.js';
import { connectionOf, serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';

const options = z.strictObject({
  url: serviceUrl
    .default('https://ntfy.sh')
    .meta({ title: 'URL', description: 'Address of the server, without the topic.' }),
  topic: secret('Topic', 'Up to 64 letters, digits, _ and -. On a server without sign-in it is the password.').regex(
    /^[-\w]{1,64}$/,
    'must be up to 64 letters, digits, _ and -',
  ),
  accessToken: secret('Access token', 'Of a user who may write to the topic. Absent: for a topic open to everybody.')
    .max(256)
    .optional(),
  ...serviceOptions,
});

/** A server makes a file of a longer message (https://docs.ntfy.sh/publish/#limitations). */
const mostBytes = 4096;
const longestTitle = 200;
/** https://docs.ntfy.sh/publish/#message-priority and #tags-emojis */
const looks: Readonly<Record<Severity, { priority: number; tags: string[] }>> = {
  info: { priority: 3, tags: ['information_source'] },
  warning: { priority: 4, tags: ['warning'] },
  error: { priority: 4, tags: ['rotating_light'] },
  critical: { priority: 5, tags: ['rotating_light'] },
};

const ErrorBody = z.object({ error: z.string(), code: z.number().optional() });

/** Publishes to a topic. A message that comes again replaces the first one, on servers from version 2.16. */
export const ntfy = defineNotification({
  id: 'ntfy',
  title: 'ntfy',
  description: 'Publishes messages to a topic of ntfy.sh or of a server of your own.',
  options,
  hears: 'all',

  async send(message, o, ctx) {
    ctx.signal.throwIfAborted();
    const { url, topic, accessToken } = o;
    await postTo(ctx.site, {
      name: 'ntfy',
      url,
      headers: {
        'content-type': 'application/json',
        ...(accessToken !== undefined && { authorization: `Bearer ${accessToken}` }),
      },
      body: JSON.stringify({ topic, ...payloadOf(message) }),
      connection: connectionOf(o),
      secrets: [topic, accessToken ?? ''],
      read,
    });
  },
});

/** Without `markdown` a server shows the text as it is. */
function payloadOf({ subject, severity, content, dedupeKey }: NotificationMessage): object {
  const [card] = content.cards;
  return {
    title: cut(subject, longestTitle),
    message: textWithin(content, {
      paragraph: (text) => text,
      card: cardText,
      more: leftOut,
      most: mostBytes,
      sizeOf: (text) => Buffer.byteLength(text),
    }),
    ...looks[severity],
    ...(card && { click: card.url }),
    sequence_id: createHash('sha256').update(dedupeKey).digest('hex').slice(0, 40),
  };
}

function cardText({ title, url, facts }: MessageCard): string {
  return [title, ...facts.map(([label, value]) => `${label}: ${value}`), url].join('\n');
}

/** A server that keeps topics to itself answers 403 to strangers, and 507 when the user's share is used up. */
function read({ status, json }: ReceiverAnswer): ReceiverSays | undefined {
  const body = ErrorBody.safeParse(json);
  if (status < 300 || !body.success) return undefined;
  const { error, code } = body.data;
  return { words: code === undefined ? error : `${error} (${code})` };
}
