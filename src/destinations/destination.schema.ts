import { z } from 'zod';
import { listQuery } from '../platform/http/page.js';
import { OptionValueView, PluginInput, PluginView } from '../platform/plugins/plugin.schema.js';
import type { Destination } from './destination.entity.js';

/** POST and PUT /destinations. */
export const DestinationRequest = z
  .strictObject({
    id: z.int().optional().meta({ description: "Ignored; Lemur's clients send the whole object back." }),
    label: z.string().trim().min(1).max(128),
    description: z.string().max(1024).nullish(),
    plugin: PluginInput,
    options: z.unknown().optional().meta({ description: 'Ignored, as `id` is.' }),
  })
  .meta({ id: 'DestinationRequest' });
export type DestinationRequest = z.output<typeof DestinationRequest>;

export const DestinationView = z
  .object({
    id: z.int(),
    label: z.string(),
    description: z.string().nullable(),
    plugin: PluginView,
    options: z.array(OptionValueView).meta({ description: 'The same as `plugin.pluginOptions`.' }),
  })
  .meta({ id: 'Destination' });
export type DestinationView = z.output<typeof DestinationView>;

export function destinationView({ id, label, description }: Destination, plugin: PluginView): DestinationView {
  return { id, label, description, plugin, options: plugin.pluginOptions };
}

export const DestinationQuery = listQuery('id', 'label', 'pluginName');
