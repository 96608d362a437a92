import { z } from 'zod';
import { secretUrl } from '../../src/plugin-api/message-options.js';
import { cutEscaped, leftOut, textWithin } from '../../src/plugin-api/message-text.js';
import {
  defineNotification,
  type MessageCard,
  type NotificationMessage,
  type Severity,
} from '../../src/plugin-api/notification.js';
import { postTo, type ReceiverAnswer, type ReceiverSays } from '../../src/plugin-api/receiver.js';

const options = z.strictObject({
  webhookUrl: secretUrl('Webhook URL', 'Of a webhook of the channel. Everybody who knows it can post there.').refine(
    (text) => /^\/api\/(v\d+\/)?webhooks\/\d+\/[^/]+\/?$/.test(pathOf(text)),
    {
      error: 'must end like /api/webhooks/123/abc',
    },
  ),
  threadId: z
    .string()
    .regex(/^\d{1,20}$/, 'must be digits')
    .optional()
    .meta({ title: 'Thread', description: 'Id of a thread of the channel, to which messages go.' }),
});

/** Of an embed (https://discord.com/developers/docs/resources/message#embed-object-embed-limits). */
const longestDescription = 4096;
const longestTitle = 256;
const colors: Readonly<Record<Severity, number>> = {
  info: 0x3498db,
  warning: 0xf1c40f,
  error: 0xe67e22,
  critical: 0xe74c3c,
};

const ErrorBody = z.object({ message: z.string(), code: z.number().optional(), retry_after: z.number().optional() });
/** A thread that is missing in a forum, or is there where none can be. */
const ofThread = new Set([220_001, 220_003]);

/** Posts an embed to a channel by a webhook. */
export const discord = defineNotification({
  id: 'discord',
  title: 'Discord',
  description: 'Posts messages to a channel in Discord by a webhook.',
  options,
  hears: 'all',

  async send(message, { webhookUrl, threadId }, ctx) {
    ctx.signal.throwIfAborted();
    const url = new URL(webhookUrl);
    // Without it Discord says that it took a message before it has looked at it.
    url.searchParams.set('wait', 'true');
    if (threadId !== undefined) url.searchParams.set('thread_id', threadId);
    await postTo(ctx.site, {
      name: 'Discord',
      url: url.href,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(payloadOf(message, ctx.now())),
      secrets: [webhookUrl],
      read,
    });
  },
});

/** The subject stands in the text: clients disagree on whether the title of an embed is Markdown. */
function payloadOf({ subject, severity, content }: NotificationMessage, now: Date): object {
  const title = `**${cutEscaped(subject, longestTitle, escape)}**\n\n`;
  const form = { paragraph, card: cardText, more: leftOut, most: longestDescription - title.length };
  const description = title + textWithin(content, form);
  return {
    embeds: [{ description, color: colors[severity], timestamp: now.toISOString() }],
    allowed_mentions: { parse: [] },
  };
}

function cardText({ title, url, facts }: MessageCard): string {
  const link = `[Open in Perennial](<${url.replaceAll(/[<>\s]/g, encodeURIComponent)}>)`;
  return [`**${escape(title)}**`, ...facts.map(([label, value]) => `${label}: ${escape(value)}`), link].join('\n');
}

/**
 * What means something anywhere in a line of Discord's Markdown: pairs that format or link, addresses, `:emoji:` and
 * mentions. A backslash before anything else would be shown.
 */
const meaning = /[\\*_~`|[\]<]|:(?=\/\/|\w+:)|@(?=everyone|here)/g;

function escape(text: string): string {
  return text.replaceAll(meaning, '\\$&');
}

/** At the beginning of a line stand headings, quotations and lists besides. */
function paragraph(text: string): string {
  return escape(text)
    .replace(/^[#>+-]/, '\\$&')
    .replace(/^(\d+)([.)])/, '$1\\$2');
}

function read({ status, json }: ReceiverAnswer): ReceiverSays | undefined {
  const body = ErrorBody.safeParse(json);
  if (status < 300 || !body.success) return undefined;
  const { message, code, retry_after: waitS } = body.data;
  return {
    words: code === undefined ? message : `${message} (${code})`,
    ...(code !== undefined && ofThread.has(code) && { fault: 'misconfigured' }),
    ...(waitS !== undefined && waitS > 0 && { retryAfterS: Math.ceil(waitS) }),
  };
}

function pathOf(text: string): string {
  return URL.canParse(text) ? new URL(text).pathname : '';
}
