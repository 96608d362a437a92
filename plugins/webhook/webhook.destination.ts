import { createHash } from 'node:crypto';
import { z } from 'zod';
import { defineDestination, type PlacedRequest, type Round } from '../../src/plugin-api/destination.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import type { Options } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { postTo } from '../../src/plugin-api/receiver.js';
import { connectionOf, serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';
import { signatureOf, signingSecret } from './signature.js';

const options = z.strictObject({
  url: serviceUrl
    .refine((text) => text.startsWith('https:'), 'must begin with https: a delivery may hold a private key')
    .meta({ title: 'URL', description: 'Where files are posted to. Everyone who sees this destination sees it.' }),
  secret: signingSecret('Signs every request.'),
  ...serviceOptions,
});

type WebhookOptions = Options<typeof options>;

/**
 * Posts the files of an export to a program that puts them in place. The receiver answers 2xx when they are in use, and
 * knows a repetition by its `webhook-id`: it follows from the round, since what was delivered once can be delivered
 * again after something else.
 */
export const webhookDestination = defineDestination({
  id: 'webhook-destination',
  title: 'Webhook',
  description:
    'Posts the files of an export as JSON to a URL, with a signature by HMAC-SHA256. They hold the private key only ' +
    'when the export does.',
  options,
  needsPrivateKey: true,
  files: { pluginId: 'pem', options: {} },

  locate: ({ bundle }, o) => locationOf(bundle, o),

  async deliver({ bundle, files, round }, o, ctx) {
    const sent = files.map(({ name, bytes, mode }) => ({
      name,
      content: bytes.toString('base64'),
      mode: mode.toString(8).padStart(4, '0'),
    }));
    await post({ type: 'certificate.deliver', round, data: { ...factsOf(bundle), files: sent } }, o, ctx);
    return { location: locationOf(bundle, o) };
  },

  async remove({ bundle, files, round }, o, ctx) {
    await post({ type: 'certificate.remove', round, data: { ...factsOf(bundle), files: files.map(named) } }, o, ctx);
  },
});

function named({ name }: PlacedRequest['files'][number]) {
  return { name };
}

function factsOf({ name, commonName, serialHex }: Bundle) {
  return { name, commonName, serialNumber: serialHex };
}

interface Message {
  type: string;
  round: Round;
  data: object;
}

async function post({ type, round, data }: Message, o: WebhookOptions, ctx: PluginContext): Promise<void> {
  ctx.signal.throwIfAborted();
  const now = ctx.now();
  const body = JSON.stringify({ type, timestamp: now.toISOString(), data });
  const content = createHash('sha256').update(JSON.stringify(data)).digest('hex');
  const dedupeKey = `${type} ${round} ${content}`;
  await postTo(ctx.site, {
    name: 'The receiver',
    url: o.url,
    headers: { 'content-type': 'application/json', ...signatureOf({ dedupeKey, body, now }, o.secret) },
    body,
    connection: connectionOf(o),
    secrets: [o.secret],
  });
}

/** One certificate of a common name at each receiver. */
function locationOf({ commonName }: Bundle, { url }: WebhookOptions): string {
  return `${commonName} at ${url}`;
}
