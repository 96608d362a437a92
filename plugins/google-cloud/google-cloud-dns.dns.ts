import { z } from 'zod';
import { defineDns, longestZone } from '../../src/plugin-api/dns.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { GoogleDnsClient } from './google-cloud-dns.client.js';
import { googleAccess } from './google-cloud.options.js';

const options = z.strictObject({
  ...googleAccess('DNS Administrator', 'the zones'),
});

const Ref = z.object({ zone: z.string(), name: z.string(), value: z.string() });

/** Publishes records in public zones of Google Cloud DNS. */
export const googleCloudDns = defineDns({
  id: 'google-cloud-dns',
  title: 'Google Cloud DNS',
  description: 'Publishes records in public zones of Google Cloud DNS, as a service account.',
  options,

  async check(o, ctx) {
    await new GoogleDnsClient(o, ctx).zones();
  },

  async present({ name, value, ttlS }, o, ctx) {
    const client = new GoogleDnsClient(o, ctx);
    const zones = await client.zones();
    const domain = longestZone(
      name,
      zones.map((one) => one.domain),
    );
    const zone = zones.find((one) => one.domain === domain)?.name;
    if (zone === undefined) throw new PluginError('misconfigured', `${name} lies in no zone of the project.`);
    await client.change(zone, name, (values) => (values.includes(value) ? values : [...values, value]), ttlS);
    return { ref: JSON.stringify({ zone, name, value }) };
  },

  async remove({ ref }, o, ctx) {
    const { zone, name, value } = Ref.parse(JSON.parse(ref));
    await new GoogleDnsClient(o, ctx).change(zone, name, (values) => values.filter((one) => one !== value));
  },

  async zones(o, ctx) {
    return (await new GoogleDnsClient(o, ctx).zones()).map(({ domain }) => domain);
  },
});
