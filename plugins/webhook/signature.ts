import { createHash, createHmac } from 'node:crypto';
import { secret } from '../../src/plugin-api/options.js';
import type { z } from 'zod';

const prefix = 'whsec_';

/** The option that holds the key of the signature. */
export function signingSecret(description: string): z.ZodString {
  return secret(
    'Secret',
    `${description} After \`${prefix}\` it is base64 of the key, as in Standard Webhooks; anything else is the key.`,
  ).refine((text) => keyOf(text).length >= 16, 'must have at least 16 bytes');
}

/**
 * The headers of Standard Webhooks 1.0.0: `webhook-signature` is `v1,` and base64 of HMAC-SHA256 over id, timestamp
 * (seconds) and body with dots between. The id follows from `dedupeKey`: the same on every attempt.
 */
export function signatureOf(
  { dedupeKey, body, now }: { dedupeKey: string; body: string; now: Date },
  secretText: string,
): Record<string, string> {
  const id = `msg_${createHash('sha256').update(dedupeKey).digest('hex').slice(0, 40)}`;
  const timestamp = String(Math.floor(now.getTime() / 1000));
  const signature = createHmac('sha256', keyOf(secretText)).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}

function keyOf(text: string): Buffer {
  return text.startsWith(prefix) ? Buffer.from(text.slice(prefix.length), 'base64') : Buffer.from(text);
}
