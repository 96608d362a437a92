import { createHash, createHmac } from 'node:crypto';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineNotification } from '../../src/plugin-api/notification.js';
import { secret } from '../../src/plugin-api/options.js';
import type { FetchResponse } from '../../src/plugin-api/site.js';

const prefix = 'whsec_';
/** An answer says nothing that is needed. */
const maxBytes = 64 * 1024;

const options = z.strictObject({
  url: z
    .string()
    .max(2048)
    .refine(isPlainHttp, 'must be an http or https URL without user name, password and fragment')
    .meta({ title: 'URL', description: 'Where messages are posted to. Everyone who sees this channel sees it.' }),
  secret: secret(
    'Secret',
    'Signs every message. After `whsec_` it is base64 of the key, as in Standard Webhooks; anything else is the key.',
  ).refine((text) => keyOf(text).length >= 16, 'must have at least 16 bytes'),
});

/**
 * Posts JSON, signed as Standard Webhooks 1.0.0 says: `webhook-signature` is `v1,` and base64 of HMAC-SHA256 over
 * id, timestamp and body with dots between. The id is the same on every attempt.
 */
export const webhook = defineNotification({
  id: 'webhook',
  title: 'Webhook',
  description: 'Posts a message as JSON to a URL, with a signature by HMAC-SHA256.',
  options,
  hears: 'all',

  async send({ event, subject, text, data, dedupeKey }, o, ctx) {
    ctx.signal.throwIfAborted();
    const id = `msg_${createHash('sha256').update(dedupeKey).digest('hex').slice(0, 40)}`;
    const timestamp = Math.floor(ctx.now().getTime() / 1000);
    const body = JSON.stringify({ type: event, timestamp: ctx.now().toISOString(), subject, text, data });
    const signature = createHmac('sha256', keyOf(o.secret)).update(`${id}.${timestamp}.${body}`).digest('base64');
    const answer = await ctx.site.fetch(o.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': `v1,${signature}`,
      },
      body,
      maxBytes,
    });
    demandTaken(answer);
  },
});

/** A redirect that changed the method has lost the body. */
function demandTaken({ status, headers }: FetchResponse): void {
  if (status >= 200 && status < 300) return;
  const text = `The receiver answers with status ${status}.`;
  if ([401, 403, 404, 405, 410].includes(status)) throw new PluginError('misconfigured', text);
  if (status >= 400 && status < 500 && ![408, 425, 429].includes(status)) throw new PluginError('refused', text);
  const waitS = Number(headers['retry-after']);
  throw new PluginError('unavailable', text, Number.isInteger(waitS) && waitS > 0 ? waitS : undefined);
}

function keyOf(text: string): Buffer {
  return text.startsWith(prefix) ? Buffer.from(text.slice(prefix.length), 'base64') : Buffer.from(text);
}

function isPlainHttp(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hash } = new URL(text);
  return ['http:', 'https:'].includes(protocol) && username === '' && password === '' && hash === '';
}
