import { z } from 'zod';
import { cut, escapeEntities, leftOut, textWithin } from '../../src/plugin-api/message-text.js';
import { defineNotification, type MessageCard, type NotificationMessage } from '../../src/plugin-api/notification.js';
import { secret } from '../../src/plugin-api/options.js';
import { postTo, type ReceiverAnswer, type ReceiverSays } from '../../src/plugin-api/receiver.js';
import { connectionOf, serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';

const options = z.strictObject({
  botToken: secret('Bot token', 'As BotFather gives it: digits, a colon and letters.').regex(
    /^\d{1,20}:[\w-]{30,128}$/,
    'must be the token of a bot',
  ),
  chatId: z
    .string()
    .regex(/^(-?\d{1,20}|@\w{4,32})$/, 'must be a number, or a name after @')
    .meta({
      title: 'Chat',
      description: 'Id of the chat, which begins with a minus for a group, or name of a public channel after @.',
      examples: ['-1001234567890', '@pki_alerts'],
    }),
  topicId: z.int().min(1).optional().meta({ title: 'Topic', description: 'Id of a topic of a group with topics.' }),
  silentBelow: z.enum(['info', 'warning', 'error', 'critical']).default('warning').meta({
    title: 'Silent below',
    description: 'Messages of a lesser severity make no sound. `info`: all make one.',
  }),
  apiUrl: serviceUrl
    .default('https://api.telegram.org')
    .meta({ title: 'Address of the API', description: 'Changed for a Bot API server of your own.' }),
  ...serviceOptions,
});

/** https://core.telegram.org/bots/api#sendmessage; counted here with the markup, of which Telegram counts none. */
const longestText = 4096;
const longestTitle = 200;
const severities = ['info', 'warning', 'error', 'critical'] as const;

const ErrorBody = z.object({
  ok: z.literal(false),
  description: z.string(),
  parameters: z.object({ retry_after: z.number().optional(), migrate_to_chat_id: z.number().optional() }).optional(),
});
/** What Telegram answers with 400 when the chat or topic is wrong or the bot may not write there. */
const ofChat = /chat not found|thread not found|topic|not enough rights|have no rights|supergroup|CHAT_|PEER_/i;

/** Sends a message of a bot to a chat. */
export const telegram = defineNotification({
  id: 'telegram',
  title: 'Telegram',
  description: 'Sends messages to a chat, group or channel in Telegram as a bot.',
  options,
  hears: 'all',

  async send(message, o, ctx) {
    ctx.signal.throwIfAborted();
    const { botToken, chatId, topicId, silentBelow, apiUrl } = o;
    await postTo(ctx.site, {
      name: 'Telegram',
      url: `${apiUrl.replace(/\/+$/, '')}/bot${botToken}/sendMessage`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        chat_id: chatId,
        ...(topicId !== undefined && { message_thread_id: topicId }),
        text: textOf(message),
        parse_mode: 'HTML',
        link_preview_options: { is_disabled: true },
        disable_notification: severities.indexOf(message.severity) < severities.indexOf(silentBelow),
      }),
      connection: connectionOf(o),
      secrets: [botToken],
      read,
    });
  },
});

function textOf({ subject, content }: NotificationMessage): string {
  const title = `<b>${escapeEntities(callingNobody(cut(subject, longestTitle)))}</b>\n\n`;
  const paragraph = (text: string): string => escapeEntities(callingNobody(text));
  const form = { paragraph, card: cardText, more: leftOut, most: longestText - title.length };
  return title + textWithin(content, form);
}

/**
 * Telegram itself looks for mentions, hashtags and commands in a text, except in links and `code`. An invisible
 * character hides them.
 */
function callingNobody(text: string): string {
  return text.replaceAll(/(?<![\w/:])[@#$/](?=\w)/g, '$&\u2060');
}

function cardText({ title, url, facts }: MessageCard): string {
  const address = escapeEntities(url).replaceAll('"', '&quot;');
  return [
    `<a href="${address}">${escapeEntities(title)}</a>`,
    ...facts.map(([label, value]) => `${label}: <code>${escapeEntities(value)}</code>`),
  ].join('\n');
}

/** A wrong token is answered with 401 or 404, a bot that was thrown out with 403. */
function read({ status, json }: ReceiverAnswer): ReceiverSays | undefined {
  const body = ErrorBody.safeParse(json);
  if (!body.success) return undefined;
  const { description, parameters: { retry_after: waitS, migrate_to_chat_id: moved } = {} } = body.data;
  return {
    words: moved === undefined ? description : `${description}; its id is ${moved} now`,
    ...(status < 300 && { fault: 'unavailable' }),
    ...(status === 400 && ofChat.test(description) && { fault: 'misconfigured' }),
    ...(waitS !== undefined && waitS > 0 && { retryAfterS: Math.ceil(waitS) }),
  };
}
