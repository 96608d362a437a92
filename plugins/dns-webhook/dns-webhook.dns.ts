import { createHash, createHmac } from 'node:crypto';
import { z } from 'zod';
import { defineDns } from '../../src/plugin-api/dns.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { HttpFailure, JsonClient } from '../../src/plugin-api/json-client.js';
import { type Options, secret } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { connectionOf, serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';

const options = z.strictObject({
  url: serviceUrl.meta({ title: 'URL', description: 'Where requests are posted to.' }),
  secret: secret('Secret', 'Signs every request, as the `webhook` notification does (Standard Webhooks).').min(16),
  ...serviceOptions,
});

const Ref = z.object({ name: z.string(), value: z.string() });

/**
 * Has any other service publish records: posts `{"action": "present" | "remove", "name", "value", "ttlS"}`. Any status
 * from 200 to 299 means done; each request may come again.
 */
export const dnsWebhook = defineDns({
  id: 'dns-webhook',
  title: 'DNS webhook',
  description:
    'Posts each record that is to be published or removed as JSON to a URL, with a signature by HMAC-SHA256, for DNS ' +
    'services that no other plugin knows. The zones must be named.',
  options,

  async present({ name, value, ttlS }, o, ctx) {
    await post({ action: 'present', name, value, ttlS }, o, ctx);
    return { ref: JSON.stringify({ name, value }) };
  },

  async remove({ ref }, o, ctx) {
    await post({ action: 'remove', ...Ref.parse(JSON.parse(ref)) }, o, ctx);
  },
});

async function post(message: object, o: Options<typeof options>, ctx: PluginContext): Promise<void> {
  ctx.signal.throwIfAborted();
  const url = new URL(o.url);
  const client = new JsonClient(ctx.site, {
    name: 'The receiver',
    baseUrl: url.origin,
    connection: connectionOf(o),
    secrets: [o.secret],
    wordsOf: () => undefined,
  });
  const body = JSON.stringify(message);
  const id = `dns_${createHash('sha256').update(body).digest('hex').slice(0, 40)}`;
  const timestamp = Math.floor(ctx.now().getTime() / 1000);
  const signature = createHmac('sha256', keyOf(o.secret)).update(`${id}.${timestamp}.${body}`).digest('base64');
  try {
    await client.send({
      path: url.pathname,
      json: message,
      headers: { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': `v1,${signature}` },
    });
  } catch (error) {
    // The body of a receiver says nothing; these statuses mean that its address or the secret is wrong.
    if (!(error instanceof HttpFailure) || ![400, 401, 403, 404, 405, 410].includes(error.answer.status)) throw error;
    throw new PluginError('misconfigured', error.detail);
  }
}

/** After `whsec_` a secret is base64 of the key. */
function keyOf(text: string): Buffer {
  return text.startsWith('whsec_') ? Buffer.from(text.slice('whsec_'.length), 'base64') : Buffer.from(text);
}
