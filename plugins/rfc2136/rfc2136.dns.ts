import { z } from 'zod';
import { defineDns, longestZone, type PresentedRecord, type TxtRecord } from '../../src/plugin-api/dns.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { type Options, secret } from '../../src/plugin-api/options.js';
import { encodeName } from './dns-message.js';
import { tsigAlgorithms, updateZone, wireName } from './rfc2136.client.js';

const domainName = z.string().refine((name) => encodeName(name) !== null, 'must be a domain name in ASCII');
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const options = z.strictObject({
  server: z
    .string()
    .regex(/^[A-Za-z0-9.:_-]{1,253}$/, 'must be a host name or an IP address')
    .meta({ title: 'Name server', description: 'Host name or address of the primary name server of the zones.' }),
  port: z.int().min(1).max(65_535).default(53).meta({ title: 'Port', description: 'TCP port of the name server.' }),
  zones: z
    .array(domainName)
    .min(1)
    .max(100)
    .meta({
      title: 'Zones',
      description: 'The zones that the server lets the key update. A record goes into the longest one that fits.',
      examples: [['example.com', 'acme.example.net']],
    }),
  keyName: domainName.meta({ title: 'Key name', description: 'Name of the TSIG key, as the server knows it.' }),
  keyAlgorithm: z
    .enum(tsigAlgorithms)
    .default('hmac-sha256')
    .meta({ title: 'Key algorithm', description: 'Algorithm of the TSIG key, as the server knows it.' }),
  keySecret: secret('Key secret', 'Secret of the TSIG key in base64, as tsig-keygen writes it.').regex(
    base64,
    'must be base64',
  ),
});

/** A record has 64 KiB, and the whole update no more. */
const mostValueBytes = 32_768;

type UpdateOptions = Options<typeof options>;

/** Publishes records by dynamic updates that a TSIG key signs. */
export const rfc2136 = defineDns({
  id: 'rfc2136',
  title: 'DNS updates (RFC 2136)',
  description:
    'Publishes records in zones of a name server that takes signed dynamic updates (RFC 2136, TSIG of RFC 8945), ' +
    'for example BIND, over TCP.',
  options,

  async check(o, ctx) {
    for (const zone of o.zones) await updateZone(o, zone, [], ctx);
  },

  async present({ name, value, ttlS }, o, ctx) {
    if (Buffer.byteLength(value) > mostValueBytes)
      throw new PluginError('refused', `A value of more than ${mostValueBytes} bytes does not fit into a record.`);
    await updateZone(o, zoneOf(name, o), [{ action: 'add', name, value, ttlS }], ctx);
    return { ref: JSON.stringify({ name, value }) };
  },

  async remove(presented, o, ctx) {
    const { name, value } = recordOf(presented);
    await updateZone(o, zoneOf(name, o), [{ action: 'delete', name, value, ttlS: 0 }], ctx);
  },

  zones: (o) => Promise.resolve(o.zones.map(plain)),
});

/** The longest zone that holds the name. Throws PluginError. */
function zoneOf(name: string, { zones }: UpdateOptions): string {
  wireName(name);
  const longest = longestZone(plain(name), zones.map(plain));
  const zone = zones.find((one) => plain(one) === longest);
  if (zone === undefined)
    throw new PluginError('misconfigured', `${name} lies in none of the zones ${zones.join(', ')}.`);
  return zone;
}

function recordOf({ ref }: PresentedRecord): Pick<TxtRecord, 'name' | 'value'> {
  return z.object({ name: z.string(), value: z.string() }).parse(JSON.parse(ref));
}

function plain(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}
