import { z } from 'zod';
import { defineDns } from '../../src/plugin-api/dns.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { JsonClient } from '../../src/plugin-api/json-client.js';
import { secret } from '../../src/plugin-api/options.js';
import { connectionOf, serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';

const options = z.strictObject({
  url: serviceUrl.meta({ title: 'URL', description: 'Address of the API of acme-dns.' }),
  subdomain: z
    .string()
    .regex(/^[a-z0-9-]{1,63}$/i, 'must be one label')
    .meta({ title: 'Subdomain', description: '`subdomain` of the registration.' }),
  fullDomain: z
    .string()
    .max(253)
    .regex(/^([a-z0-9_-]{1,63}\.)+[a-z0-9-]{1,63}$/i, 'must be a domain')
    .meta({
      title: 'Full domain',
      description: '`fulldomain` of the registration, to which CNAME records of `_acme-challenge` names lead.',
    }),
  username: z.string().min(1).max(200).meta({ title: 'User name', description: '`username` of the registration.' }),
  password: secret('Password', '`password` of the registration.'),
  ...serviceOptions,
});

/** The form of a value of dns-01; acme-dns takes no other. */
const txtValue = /^[A-Za-z0-9_-]{43}$/;

/**
 * Publishes values through acme-dns, at the one name of a registration. It shows the two newest values and deletes
 * none: removing is left to the values that follow.
 */
export const acmeDns = defineDns({
  id: 'acme-dns',
  title: 'acme-dns',
  description:
    'Publishes proofs for ACME through a registration at an acme-dns server, at the name to which CNAME records ' +
    'lead. It keeps the two newest values and deletes none.',
  options,

  async present({ name, value }, o, ctx) {
    ctx.signal.throwIfAborted();
    if (name !== plain(o.fullDomain))
      throw new PluginError('misconfigured', `The registration is for ${o.fullDomain} alone, not for ${name}.`);
    if (!txtValue.test(value)) throw new PluginError('refused', 'acme-dns takes only values of dns-01 challenges.');
    const client = new JsonClient(ctx.site, {
      name: 'acme-dns',
      baseUrl: o.url,
      headers: { 'x-api-user': o.username, 'x-api-key': o.password },
      connection: connectionOf(o),
      secrets: [o.password],
      wordsOf: (body) => z.object({ error: z.string() }).safeParse(body).data?.error,
    });
    const { txt } = await client.json(z.object({ txt: z.string() }), {
      path: '/update',
      json: { subdomain: o.subdomain, txt: value },
    });
    if (txt !== value) throw new PluginError('unavailable', 'acme-dns has stored another value.');
    return { ref: '' };
  },

  remove: () => Promise.resolve(),

  zones: (o) => Promise.resolve([plain(o.fullDomain)]),
});

function plain(name: string): string {
  return name.toLowerCase();
}
