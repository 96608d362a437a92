import { z } from 'zod';
import { InstantOut, instant } from '../platform/http/instant.js';
import { listQuery } from '../platform/http/page.js';
import { visibleText } from '../platform/http/visible-text.js';
import { PluginInput, PluginView } from '../platform/plugins/plugin.schema.js';
import type { PluginDescription } from '../platform/plugins/plugin.schema.js';
import type { DnsProvider } from './dns-provider.entity.js';

/** A zone as it is stored: lower case, without a dot at the end. */
const Zone = z
  .string()
  .trim()
  .toLowerCase()
  .transform((name) => name.replace(/\.$/, ''))
  .pipe(
    z
      .string()
      .max(253)
      .regex(/^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/, 'must be a domain'),
  );

/** POST and PUT /dns_providers. */
export const DnsProviderRequest = z
  .strictObject({
    name: visibleText(128).meta({ description: 'Unique, ignoring case.' }),
    description: z.string().max(1024).nullish(),
    plugin: PluginInput.optional().meta({ description: 'A plugin of the kind `dns`.' }),
    providerType: z
      .union([
        z.looseObject({ name: z.string().min(1).max(100), requirements: PluginInput.shape.pluginOptions }),
        z.string().transform(() => undefined),
      ])
      .optional()
      .meta({
        description:
          "The same in Lemur's form: the plugin, with its options in `requirements`. A text is ignored: clients send " +
          'back what they got.',
      }),
    zones: z
      .array(Zone)
      .max(1000)
      .nullish()
      .meta({
        description:
          'The zones in which it publishes; the longest that holds a name is chosen. Without them the service is ' +
          'asked, where its plugin can do that.',
      }),
    id: z.unknown().optional().meta({ description: 'Ignored: clients send back what they got.' }),
    dateCreated: z.unknown().optional().meta({ description: 'Ignored.' }),
    zonesGiven: z.unknown().optional().meta({ description: 'Ignored.' }),
    apiEndpoint: z.unknown().optional().meta({ description: 'Ignored.' }),
    zonesAt: z.unknown().optional().meta({ description: 'Ignored.' }),
  })
  .refine((request) => request.plugin !== undefined || request.providerType !== undefined, {
    error: 'Give a plugin.',
    path: ['plugin'],
  })
  .meta({ id: 'DnsProviderRequest' });
export type DnsProviderRequest = z.output<typeof DnsProviderRequest>;

/** The plugin that a request chooses, in either form. */
export function pluginOf({ plugin, providerType }: DnsProviderRequest): PluginInput {
  return plugin ?? { slug: providerType?.name ?? '', pluginOptions: providerType?.requirements ?? [] };
}

export const DnsProviderView = z
  .object({
    id: z.int(),
    name: z.string(),
    description: z.string().nullable(),
    providerType: z.string().meta({ description: 'The plugin.' }),
    plugin: PluginView,
    apiEndpoint: z.null().meta({ description: 'As in Lemur; addresses are options of the plugin.' }),
    zones: z.array(z.string()).meta({ description: 'Where it publishes.' }),
    zonesGiven: z.boolean().meta({ description: 'Whether a person named the zones; if not, the service is asked.' }),
    zonesAt: InstantOut.nullable().meta({ description: 'When the service was last asked for its zones.' }),
    dateCreated: InstantOut,
  })
  .meta({ id: 'DnsProvider' });
export type DnsProviderView = z.output<typeof DnsProviderView>;

export function dnsProviderView(row: DnsProvider, plugin: PluginView): DnsProviderView {
  const { id, name, description, pluginId, zones, zonesGiven, zonesAt, createdAt } = row;
  return {
    id,
    name,
    description,
    providerType: pluginId,
    plugin,
    apiEndpoint: null,
    zones: [...zones],
    zonesGiven,
    zonesAt: zonesAt && instant(zonesAt),
    dateCreated: instant(createdAt),
  };
}

/** A kind of DNS provider, as Lemur's page for a new one reads it. */
export const DnsProviderOption = z
  .object({
    name: z.string(),
    title: z.string(),
    description: z.string(),
    requirements: z.array(z.unknown()).meta({ description: 'The options of the plugin, as in `/plugins`.' }),
    listsZones: z.boolean().meta({ description: 'False: `zones` must be given.' }),
  })
  .meta({ id: 'DnsProviderOption' });
export type DnsProviderOption = z.output<typeof DnsProviderOption>;

export function dnsProviderOption({
  id,
  title,
  description,
  pluginOptions,
  can,
}: PluginDescription): DnsProviderOption {
  return { name: id, title, description, requirements: pluginOptions, listsZones: can.includes('zones') };
}

export const DnsProviderQuery = listQuery('id', 'name', 'pluginName');
export type DnsProviderQuery = z.output<typeof DnsProviderQuery>;
