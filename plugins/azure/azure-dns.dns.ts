import { z } from 'zod';
import { defineDns, longestZone } from '../../src/plugin-api/dns.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { AzureDnsClient } from './azure-dns.client.js';
import { azureId, azureSignIn } from './azure.options.js';

const options = z.strictObject({
  ...azureSignIn('DNS Zone Contributor'),
  subscriptionId: azureId.meta({ title: 'Subscription', description: 'Id of the subscription that has the zones.' }),
  resourceGroup: azureId.meta({
    title: 'Resource group',
    description: 'Name of the resource group that has the zones.',
  }),
});

const Ref = z.object({ zone: z.string(), name: z.string(), value: z.string() });

/** Publishes records in public zones of Azure DNS. */
export const azureDns = defineDns({
  id: 'azure-dns',
  title: 'Azure DNS',
  description: 'Publishes records in public zones of Azure DNS, as an application with a client secret.',
  options,

  async check(o, ctx) {
    await new AzureDnsClient(o, ctx).zones();
  },

  async present({ name, value, ttlS }, o, ctx) {
    const client = new AzureDnsClient(o, ctx);
    const zone = longestZone(name, await client.zones());
    if (zone === null) throw new PluginError('misconfigured', `${name} lies in no zone of the resource group.`);
    await client.change(zone, name, (values) => (values.includes(value) ? values : [...values, value]), ttlS);
    return { ref: JSON.stringify({ zone, name, value }) };
  },

  async remove({ ref }, o, ctx) {
    const { zone, name, value } = Ref.parse(JSON.parse(ref));
    await new AzureDnsClient(o, ctx).change(zone, name, (values) => values.filter((one) => one !== value));
  },

  zones: (o, ctx) => new AzureDnsClient(o, ctx).zones(),
});
