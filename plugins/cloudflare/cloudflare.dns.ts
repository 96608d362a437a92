import { z } from 'zod';
import { defineDns, longestZone } from '../../src/plugin-api/dns.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { HttpFailure } from '../../src/plugin-api/json-client.js';
import { secret } from '../../src/plugin-api/options.js';
import { CloudflareClient } from './cloudflare.client.js';

const options = z.strictObject({
  apiToken: secret('API token', 'A token with the permissions Zone:Zone:Read and Zone:DNS:Edit for the zones.'),
});

const Ref = z.object({ zoneId: z.string(), recordId: z.string() });

/** Publishes records in zones at Cloudflare. */
export const cloudflare = defineDns({
  id: 'cloudflare',
  title: 'Cloudflare',
  description: 'Publishes records in zones at Cloudflare through its API (version 4).',
  options,

  async check(o, ctx) {
    const zones = await new CloudflareClient(o.apiToken, ctx).zones();
    if (zones.length === 0) throw new PluginError('misconfigured', 'The token of Cloudflare has no zone.');
  },

  async present({ name, value, ttlS }, o, ctx) {
    const client = new CloudflareClient(o.apiToken, ctx);
    const zones = await client.zones();
    const zone = longestZone(
      name,
      zones.map((one) => one.name),
    );
    const zoneId = zones.find((one) => one.name === zone)?.id;
    if (zoneId === undefined) throw new PluginError('misconfigured', `${name} lies in no zone of the token.`);
    const recordId =
      (await client.findTxt(zoneId, name, value)) ?? (await client.addTxt(zoneId, { name, value, ttlS }));
    return { ref: JSON.stringify({ zoneId, recordId }) };
  },

  async remove({ ref }, o, ctx) {
    const { zoneId, recordId } = Ref.parse(JSON.parse(ref));
    try {
      await new CloudflareClient(o.apiToken, ctx).remove(zoneId, recordId);
    } catch (error) {
      if (!(error instanceof HttpFailure) || error.answer.status !== 404) throw error;
    }
  },

  async zones(o, ctx) {
    return (await new CloudflareClient(o.apiToken, ctx).zones()).map(({ name }) => name);
  },
});
