import { z } from 'zod';
import type { Actor } from '../platform/http/actor.js';
import { listQuery } from '../platform/http/page.js';
import { visibleText } from '../platform/http/visible-text.js';
import { OptionValueView, PluginInput, PluginView } from '../platform/plugins/plugin.schema.js';
import { Reference } from '../platform/http/reference.js';
import { mayDeliverTo, maySeeOptionsOf } from '../roles/permission.js';
import type { Destination } from './destination.entity.js';
import type { DestinationAccess } from './destination.repository.js';

const ServerAddress = z
  .string()
  .max(300)
  .regex(/^(\[[0-9a-f:.]+\]|\{name\}|[a-z0-9.-]+):([1-9]\d{0,4})$/i, 'Give host:port')
  .refine((address) => Number(address.slice(address.lastIndexOf(':') + 1)) <= 65_535, 'The port is too large');

/** POST and PUT /destinations. */
export const DestinationRequest = z
  .strictObject({
    id: z.int().optional().meta({ description: "Ignored; Lemur's clients send the whole object back." }),
    label: visibleText(128),
    description: z.string().max(1024).nullish(),
    plugin: PluginInput,
    export: PluginInput.nullish().meta({
      description:
        'The export plugin that makes the files of each delivery, with its options, for a plugin that takes files. ' +
        'Default: that of the plugin; in an update, unchanged.',
    }),
    hook: PluginInput.nullish().meta({
      description:
        'A notification plugin with its options, for example `webhook`, that is told after each delivery: a program ' +
        'that makes a server load the certificate. Retried until it succeeds; verification comes after it. Default: ' +
        'none; in an update, unchanged; null removes it.',
    }),
    verifyAt: z
      .array(ServerAddress)
      .max(20)
      .optional()
      .meta({
        description:
          'Where servers serve what is delivered, as `host:port`; `{name}` in it is the name that is asked for, or ' +
          'the first IP address of a certificate without names. A delivery is complete when all of their addresses ' +
          'serve it. Default: none; in an update, unchanged.',
      }),
    verifyName: z
      .string()
      .regex(/^(?=.{1,253}$)[a-z0-9-]+(\.[a-z0-9-]+)*$/i, 'Give a host name')
      .nullish()
      .meta({
        description:
          'The name that is asked for (SNI) where the certificate has it; needed for wildcards. Default: the first ' +
          'name of the certificate that is no wildcard; in an update, unchanged.',
      }),
    repush: z.boolean().optional().meta({
      description:
        'Whether a certificate that is no longer in use is delivered again. Default: false; in an update, unchanged.',
    }),
    options: z.unknown().optional().meta({ description: 'Ignored, like `id`.' }),
    roles: z
      .array(Reference)
      .max(100)
      .optional()
      .meta({
        description:
          'Roles that may deliver there, beside administrators and operators. Default: the roles of the creator; ' +
          'in an update, the current roles.',
      }),
    open: z
      .boolean()
      .optional()
      .meta({ description: 'Whether everyone may deliver there. Default: false; in an update, unchanged.' }),
    mayDeliver: z.unknown().optional().meta({ description: 'Ignored.' }),
  })
  .meta({ id: 'DestinationRequest' });
export type DestinationRequest = z.output<typeof DestinationRequest>;

export const DestinationRole = z.object({ id: z.int(), name: z.string(), description: z.string() });
export type DestinationRole = z.output<typeof DestinationRole>;

export const DestinationView = z
  .object({
    id: z.int(),
    label: z.string(),
    description: z.string().nullable(),
    plugin: PluginView.meta({ description: 'Options are hidden from users who may not deliver there.' }),
    export: PluginView.nullable().meta({
      description: 'What makes the files of each delivery; null when the plugin takes no files. Hidden as `plugin`.',
    }),
    hook: PluginView.nullable().meta({ description: 'What is told after each delivery. Hidden as `plugin`.' }),
    verifyAt: z.array(z.string()),
    verifyName: z.string().nullable(),
    repush: z.boolean(),
    options: z.array(OptionValueView).meta({ description: 'The same as `plugin.pluginOptions`.' }),
    roles: z.array(DestinationRole),
    open: z.boolean().meta({ description: 'Whether everyone may deliver there.' }),
    mayDeliver: z.boolean().meta({ description: 'Whether you may deliver there.' }),
  })
  .meta({ id: 'Destination' });
export type DestinationView = z.output<typeof DestinationView>;

/** The destination as this actor may see it. */
export function destinationView(
  actor: Actor,
  { id, label, description, verifyAt, verifyName, repush }: Destination,
  { roles, open }: DestinationAccess,
  plugins: { plugin: PluginView; export: PluginView | null; hook: PluginView | null },
): DestinationView {
  const access = { open, roleIds: roles.map((role) => role.id) };
  const seen = maySeeOptionsOf(actor, access);
  const shown = seen ? plugins.plugin : bare(plugins.plugin);
  return {
    id,
    label,
    description,
    plugin: shown,
    export: seen || !plugins.export ? plugins.export : bare(plugins.export),
    hook: seen || !plugins.hook ? plugins.hook : bare(plugins.hook),
    verifyAt: seen ? verifyAt : [],
    verifyName: seen ? verifyName : null,
    repush,
    options: shown.pluginOptions,
    roles,
    open,
    mayDeliver: mayDeliverTo(actor, access),
  };
}

function bare(plugin: PluginView): PluginView {
  return { ...plugin, options: {}, pluginOptions: [], secretsSet: [] };
}

export const DestinationQuery = listQuery('id', 'label', 'pluginName');
