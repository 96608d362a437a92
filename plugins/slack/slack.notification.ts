import { z } from 'zod';
import { secretUrl } from '../../src/plugin-api/message-options.js';
import { cutEscaped, escapeEntities, fitting, leftOut, shortened } from '../../src/plugin-api/message-text.js';
import { defineNotification, type MessageCard, type NotificationMessage } from '../../src/plugin-api/notification.js';
import { secret } from '../../src/plugin-api/options.js';
import { postTo, type ReceiverAnswer, type ReceiverSays } from '../../src/plugin-api/receiver.js';

const options = z
  .strictObject({
    webhookUrl: secretUrl(
      'Webhook URL',
      'URL of an incoming webhook, which decides on the channel. Everybody who knows it can post there.',
    ).optional(),
    botToken: secret(
      'Bot token',
      'In place of a webhook URL: token of a bot (`xoxb-…`) with the scope chat:write that is a member of the channel.',
    )
      .max(512)
      .optional(),
    channel: z
      .string()
      .min(1)
      .max(80)
      .optional()
      .meta({
        title: 'Channel',
        description: 'Id of the channel to which the bot posts. Not used with a webhook URL.',
        examples: ['C0123456789'],
      }),
  })
  .refine(({ webhookUrl, botToken }) => (webhookUrl === undefined) !== (botToken === undefined), {
    path: ['webhookUrl'],
    error: 'must be given, or a bot token in its place',
  })
  .refine(({ botToken, channel }) => botToken === undefined || channel !== undefined, {
    path: ['channel'],
    error: 'must be given with a bot token',
  });

const postMessage = 'https://slack.com/api/chat.postMessage';
/** Of a message, a header and a text (https://docs.slack.dev/reference/block-kit). */
const [mostBlocks, longestHeader, longestText] = [50, 150, 3000];

/** Errors of Slack that pass, and those of the message itself; all others are for a person. */
const passing = new Set([
  'fatal_error',
  'internal_error',
  'ratelimited',
  'rate_limited',
  'request_timeout',
  'rollup_error',
  'service_unavailable',
  'team_added_to_org',
]);
const ofMessage = new Set(['invalid_blocks', 'invalid_payload', 'msg_too_long', 'no_text']);

const Answer = z.object({ ok: z.boolean(), error: z.string().optional() });

interface PlainText {
  type: 'plain_text';
  text: string;
  emoji: false;
}
type Block =
  | { type: 'header' | 'section'; text: PlainText }
  | { type: 'context'; elements: { type: 'mrkdwn'; text: string; verbatim: true }[] };

/** Posts to a channel by an incoming webhook, or by `chat.postMessage`. */
export const slack = defineNotification({
  id: 'slack',
  title: 'Slack',
  description: 'Posts messages to a channel in Slack by an incoming webhook or as a bot.',
  options,
  hears: 'all',

  async send(message, { webhookUrl, botToken, channel }, ctx) {
    ctx.signal.throwIfAborted();
    const body = { ...payloadOf(message), ...(webhookUrl === undefined && { channel }) };
    await postTo(ctx.site, {
      name: 'Slack',
      url: webhookUrl ?? postMessage,
      headers: {
        'content-type': 'application/json; charset=utf-8',
        ...(botToken !== undefined && { authorization: `Bearer ${botToken}` }),
      },
      body: JSON.stringify(body),
      secrets: [botToken ?? ''],
      read: webhookUrl === undefined ? readApi : readWebhook,
    });
  },
});

/**
 * Names from outside stand in plain text alone, which knows neither formatting nor mentions nor emoji; the only links
 * are our own.
 */
function payloadOf({ subject, content }: NotificationMessage): object {
  const { paragraphs, cards } = shortened(content);
  const parts: Block[][] = [...paragraphs.map((text) => [section(text)]), ...cards.map((card) => blocksOf(card))];
  const header: Block = { type: 'header', text: plain(subject, longestHeader) };
  const blocks = fitting(
    parts,
    { more: (count) => [section(leftOut(count))], most: mostBlocks, sizeOf: ({ length }: Block[]) => length },
    (kept) => [header, ...kept.flat()],
  );
  return { text: escapeEntities(subject), mrkdwn: false, unfurl_links: false, unfurl_media: false, blocks };
}

function blocksOf({ title, url, facts }: MessageCard): Block[] {
  const lines = [title, ...facts.map(([label, value]) => `${label}: ${value}`)];
  const address = escapeEntities(url.replaceAll(/[|<>]/g, encodeURIComponent));
  return [
    section(lines.join('\n')),
    { type: 'context', elements: [{ type: 'mrkdwn', text: `<${address}|Open in Perennial>`, verbatim: true }] },
  ];
}

function section(text: string): Block {
  return { type: 'section', text: plain(text, longestText) };
}

function plain(text: string, most: number): PlainText {
  return { type: 'plain_text', text: cutEscaped(text, most, escapeEntities), emoji: false };
}

/** A webhook answers `ok`, or a status and the name of the error as text. */
function readWebhook({ status, text }: ReceiverAnswer): ReceiverSays | undefined {
  if (status < 300) return undefined;
  const name = /^[a-z_]{2,60}$/.exec(text.trim())?.[0];
  if (name === undefined) return undefined;
  return { words: name, ...(status < 500 && status !== 429 && { fault: faultOf(name) }) };
}

/** The API answers 200 to everything that it understands. */
function readApi({ status, json }: ReceiverAnswer): ReceiverSays | undefined {
  const read = Answer.safeParse(json);
  if (!read.success) return status < 300 ? { fault: 'unavailable', words: 'it is not JSON of the API' } : undefined;
  const { ok, error = 'it names no error' } = read.data;
  return ok ? undefined : { words: error, ...(status < 300 && { fault: faultOf(error) }) };
}

function faultOf(name: string): ReceiverSays['fault'] {
  if (passing.has(name)) return 'unavailable';
  return ofMessage.has(name) ? 'refused' : 'misconfigured';
}
