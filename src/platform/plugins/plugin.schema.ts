import { z } from 'zod';

const name = z.string().min(1).max(100);

/** How a request chooses a plugin and sets its options, in our form or in Lemur's. */
export const PluginInput = z
  .looseObject({
    id: name.optional().meta({ description: 'The plugin, with its values in `options`.' }),
    slug: name
      .optional()
      .meta({ description: "The plugin by id or by Lemur's name, with its values in `pluginOptions`." }),
    options: z.record(z.string(), z.unknown()).optional().meta({
      // What may be secret among them, the plugin's own schema says.
      writeOnly: true,
      description: 'Values by name. On a change, a secret that is absent stays and one that is null is removed.',
    }),
    pluginOptions: z
      .array(z.looseObject({ name: z.string(), value: z.unknown().optional() }))
      .max(200)
      .optional()
      .meta({
        writeOnly: true,
        description:
          'Values as Lemur writes them; members besides `name` and `value` are ' +
          'ignored, and an empty value counts as absent.',
      }),
  })
  .refine((input) => input.id !== undefined || input.slug !== undefined, {
    error: 'Give an id or a slug',
    path: ['slug'],
  })
  .meta({ id: 'PluginInput' });
export type PluginInput = z.output<typeof PluginInput>;

const optionShape = {
  name: z.string(),
  title: z.string(),
  type: z.enum(['str', 'int', 'bool', 'select']),
  required: z.boolean(),
  helpMessage: z.string(),
  validation: z.string().meta({ description: 'A regular expression for the value; empty where there is none.' }),
  default: z.unknown().optional(),
  available: z.array(z.string()).optional(),
  sensitive: z.literal(true).optional(),
};

/** A plugin as the list of plugins shows it. */
export const PluginDescription = z
  .strictObject({
    id: z.string(),
    slug: z.string().meta({ description: "Lemur's name where it has one, else the id." }),
    kind: z.enum(['issuer', 'export', 'destination', 'source', 'notification', 'dns']),
    type: z.string().meta({ description: 'The same as `kind`.' }),
    title: z.string(),
    description: z.string(),
    form: z
      .record(z.string(), z.unknown())
      .meta({ description: 'JSON Schema (draft 2020-12) of the options; secrets carry `secret: true`.' }),
    pluginOptions: z.array(z.strictObject(optionShape)),
    can: z.array(z.string()).meta({ description: 'What it can do besides its duty, such as `check` or `revoke`.' }),
  })
  .meta({ id: 'PluginDescription' });
export type PluginDescription = z.output<typeof PluginDescription>;

/** An option with the value that a row has for it, null for none and for a secret, in Lemur's form. */
export const OptionValueView = z.strictObject({ ...optionShape, value: z.unknown() }).meta({ id: 'OptionValue' });
export type OptionValueView = z.output<typeof OptionValueView>;

/** A plugin as it is named inside other answers: what its options are, without the values of any row. */
export const PluginLabel = z
  .strictObject({
    slug: z.string(),
    title: z.string(),
    description: z.string(),
    pluginOptions: z.array(z.strictObject(optionShape)),
  })
  .meta({ id: 'PluginLabel' });
export type PluginLabel = z.output<typeof PluginLabel>;

/**
 * A plugin with the values that a row has for it. It has no member `id`, so that what was read can be sent back in
 * Lemur's form.
 */
export const PluginView = z
  .strictObject({
    slug: z.string(),
    title: z.string(),
    description: z.string(),
    options: z.record(z.string(), z.unknown()),
    pluginOptions: z.array(OptionValueView),
    secretsSet: z.array(z.string()).meta({ description: 'The secrets that have a value.' }),
  })
  .meta({ id: 'ConfiguredPlugin' });
export type PluginView = z.output<typeof PluginView>;
