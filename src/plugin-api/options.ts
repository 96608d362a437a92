import { z } from 'zod';

/** The options of a plugin: one flat strict object; every member carries `title` and `description`. */
export type OptionSchema = z.ZodObject<z.ZodRawShape, z.core.$strict>;

/** What a plugin's code receives after validation and defaults. */
export type Options<S extends OptionSchema> = z.output<S>;

/** For the signature of functions that take the options of any plugin. */
export type OptionValues = z.output<OptionSchema>;

/** A text option that is sealed at rest and never returned: passwords, tokens, keys. */
export function secret(title: string, description: string): z.ZodString {
  return z.string().min(1).meta({ title, description, secret: true });
}

/** The JSON Schema (draft 2020-12, input side) from which a form is drawn; secrets carry `secret: true`. */
export function formOf(options: OptionSchema): Record<string, unknown> {
  return z.toJSONSchema(options, { io: 'input' });
}

/** The names of the options that must be sealed. */
export function secretKeys(options: OptionSchema): readonly string[] {
  return keysWhere(options, ({ secret }) => secret === true);
}

/** The names of the options that are addresses (`z.url()`, `secretUrl`), to which secrets may be sent. */
export function addressKeys(options: OptionSchema): readonly string[] {
  return keysWhere(options, ({ format }) => format === 'uri');
}

function keysWhere(options: OptionSchema, is: (member: { secret?: boolean; format?: string }) => boolean): string[] {
  const properties = (formOf(options).properties ?? {}) as Record<string, { secret?: boolean; format?: string }>;
  return Object.entries(properties)
    .filter(([, member]) => is(member))
    .map(([name]) => name);
}
