import { formOf, type OptionSchema } from '../../plugin-api/options.js';

/** One option as Lemur's clients draw it. `available`: what a select offers. `sensitive`: written but never shown. */
export interface PluginOption {
  name: string;
  title: string;
  type: 'str' | 'int' | 'bool' | 'select';
  required: boolean;
  helpMessage: string;
  /** A regular expression for the value, empty where there is none. */
  validation: string;
  default?: unknown;
  available?: string[];
  sensitive?: true;
}

/** The part of a JSON Schema that a flat option has. */
export interface Property {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  enum?: readonly unknown[];
  pattern?: string;
  secret?: boolean;
}

/** The options of a schema in its order. Lists appear as text with commas. */
export function optionsOf(schema: OptionSchema): PluginOption[] {
  const { properties, required } = propertiesOf(schema);
  return Object.entries(properties).map(([name, property]) => ({
    name,
    title: property.title ?? name,
    type: typeOf(property),
    required: required.includes(name),
    helpMessage: property.description ?? '',
    validation: property.pattern ?? '',
    ...(property.default !== undefined && { default: asLemurValue(property.default) }),
    ...(property.enum && { available: property.enum.map(String) }),
    ...(property.secret && { sensitive: true as const }),
  }));
}

/** The values that apply where nothing is given. */
export function defaultsOf(schema: OptionSchema): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(propertiesOf(schema).properties).flatMap(([name, property]) =>
      property.default === undefined ? [] : [[name, property.default]],
    ),
  );
}

/**
 * Lemur's list of options as plain members. Its forms send text for everything and send empty fields too: text becomes
 * what the option wants where it can be read so, and what is empty counts as absent.
 */
export function fromLemur(
  schema: OptionSchema,
  given: readonly { name: string; value?: unknown }[],
): Record<string, unknown> {
  const { properties } = propertiesOf(schema);
  return Object.fromEntries(
    given
      .filter(
        ({ name, value }) =>
          value !== null && value !== undefined && (value !== '' || !Object.hasOwn(properties, name)),
      )
      .map(({ name, value }) => [name, coerced(properties[name]?.type, value)]),
  );
}

/** A value in a list of options for Lemur's clients. */
export function asLemurValue(value: unknown): unknown {
  return Array.isArray(value) ? value.join(', ') : value;
}

/** Each option by its name, and the names of those that must be given. */
export function propertiesOf(schema: OptionSchema): {
  properties: Readonly<Record<string, Property>>;
  required: readonly string[];
} {
  const { properties = {}, required = [] } = formOf(schema) as {
    properties?: Record<string, Property>;
    required?: readonly string[];
  };
  return { properties, required };
}

function typeOf(property: Property): PluginOption['type'] {
  if (property.enum) return 'select';
  if (property.type === 'integer' || property.type === 'number') return 'int';
  return property.type === 'boolean' ? 'bool' : 'str';
}

function coerced(type: string | undefined, value: unknown): unknown {
  if (type === 'string') return typeof value === 'number' ? String(value) : value;
  if (typeof value !== 'string') return value;
  const text = value.trim();
  if ((type === 'integer' || type === 'number') && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (type === 'boolean' && /^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
  return type === 'array' ? text.split(/[\s,]+/).filter((entry) => entry !== '') : value;
}
