import { z } from 'zod';
import { httpOnly, isPlainHttp } from '../../src/plugin-api/message-options.js';
import { defineNotification } from '../../src/plugin-api/notification.js';
import { postTo } from '../../src/plugin-api/receiver.js';
import { signatureOf, signingSecret } from './signature.js';

const options = z.strictObject({
  url: z
    .string()
    .max(2048)
    .refine(isPlainHttp, httpOnly)
    .meta({ title: 'URL', description: 'Where messages are posted to. Everyone who sees this channel sees it.' }),
  secret: signingSecret('Signs every message.'),
});

/** Posts JSON, signed as Standard Webhooks 1.0.0 says. */
export const webhook = defineNotification({
  id: 'webhook',
  title: 'Webhook',
  description: 'Posts a message as JSON to a URL, with a signature by HMAC-SHA256.',
  options,
  hears: 'all',

  async send({ event, subject, text, data, dedupeKey }, o, ctx) {
    ctx.signal.throwIfAborted();
    const now = ctx.now();
    const body = JSON.stringify({ type: event, timestamp: now.toISOString(), subject, text, data });
    await postTo(ctx.site, {
      name: 'The receiver',
      url: o.url,
      headers: { 'content-type': 'application/json', ...signatureOf({ dedupeKey, body, now }, o.secret) },
      body,
      secrets: [o.secret],
    });
  },
});
