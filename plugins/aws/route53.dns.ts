import { z } from 'zod';
import { defineDns, longestZone } from '../../src/plugin-api/dns.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { awsSignIn, demandWhole } from './aws.options.js';
import { Route53Client } from './route53.client.js';

const options = z.strictObject(awsSignIn);

const Ref = z.object({ zoneId: z.string(), name: z.string(), value: z.string() });

/** Publishes records in public hosted zones of Amazon Route 53. */
export const route53 = defineDns({
  id: 'route53',
  title: 'Amazon Route 53',
  description:
    'Publishes records in public hosted zones of Amazon Route 53. Needs route53:ListHostedZones, ' +
    'route53:ListResourceRecordSets and route53:ChangeResourceRecordSets.',
  options,

  async admit(o) {
    demandWhole(o);
  },

  async check(o, ctx) {
    await new Route53Client(o, ctx).zones();
  },

  async present({ name, value, ttlS }, o, ctx) {
    const client = new Route53Client(o, ctx);
    const zones = await client.zones();
    const domain = longestZone(
      name,
      zones.map((one) => one.name),
    );
    const zoneId = zones.find((one) => one.name === domain)?.id;
    if (zoneId === undefined) throw new PluginError('misconfigured', `${name} lies in no public zone of the account.`);
    await client.change(zoneId, name, (values) => (values.includes(value) ? values : [...values, value]), ttlS);
    return { ref: JSON.stringify({ zoneId, name, value }) };
  },

  async remove({ ref }, o, ctx) {
    const { zoneId, name, value } = Ref.parse(JSON.parse(ref));
    await new Route53Client(o, ctx).change(zoneId, name, (values) => values.filter((one) => one !== value));
  },

  async zones(o, ctx) {
    return (await new Route53Client(o, ctx).zones()).map(({ name }) => name);
  },
});
