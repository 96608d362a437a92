import { invalid } from '../platform/http/problem.js';
import type { PluginView } from '../platform/plugins/plugin.schema.js';
import type { Authority } from './authority.entity.js';

type NamedValue = { name: string; value?: unknown };

/** `options` of an authority in a request of Lemur's clients. */
interface ReadOptions {
  isCabCompliant?: boolean | null;
  isCnOptional?: boolean;
  /** The options of the plugin; absent when there are none. */
  pluginOptions?: NamedValue[];
}

/**
 * The options of an authority as Lemur's clients read them: JSON text of a list of {name, value}, without secrets.
 */
export function optionsAsLemur(
  authority: Pick<Authority, 'isCabCompliant' | 'isCnOptional'>,
  { pluginOptions }: PluginView,
): string {
  const ours = [
    { name: 'cab_compliant', value: authority.isCabCompliant },
    { name: 'cn_optional', value: authority.isCnOptional },
  ];
  return JSON.stringify([...pluginOptions.map(({ name, value }) => ({ name, value: value ?? null })), ...ours]);
}

/**
 * Reads such options: a list of {name, value} or an object, as JSON text or parsed. Throws Problem `invalid-request`.
 */
export function readOptions(given: unknown): ReadOptions {
  const entries = entriesOf(typeof given === 'string' ? parsed(given) : given);
  const rest = entries.filter(({ name }) => name !== 'cab_compliant' && name !== 'cn_optional');
  const cab = flagOf(entries, 'cab_compliant');
  const cn = flagOf(entries, 'cn_optional');
  return {
    ...(cab !== undefined && { isCabCompliant: cab }),
    ...(typeof cn === 'boolean' && { isCnOptional: cn }),
    ...(rest.length > 0 && { pluginOptions: rest }),
  };
}

function parsed(text: string): unknown {
  try {
    return text.trim() === '' ? [] : (JSON.parse(text) as unknown);
  } catch {
    throw invalid('options', 'Expected JSON: a list of {name, value}.');
  }
}

function entriesOf(value: unknown): NamedValue[] {
  if (!Array.isArray(value)) {
    if (typeof value === 'object' && value !== null)
      return Object.entries(value as Record<string, unknown>).map(([name, entry]) => ({ name, value: entry }));
    throw invalid('options', 'Expected a list of {name, value}, or an object.');
  }
  return value.map((entry: unknown) => {
    const { name, value: set } = (entry ?? {}) as { name?: unknown; value?: unknown };
    if (typeof name !== 'string') throw invalid('options', 'Every option has a name.');
    return { name, value: set };
  });
}

function flagOf(entries: readonly NamedValue[], name: string): boolean | null | undefined {
  const entry = entries.find((one) => one.name === name);
  if (!entry) return undefined;
  const flag: unknown =
    typeof entry.value === 'string' ? { true: true, false: false }[entry.value.toLowerCase()] : entry.value;
  if (flag === null || typeof flag === 'boolean') return flag;
  throw invalid('options', `${name} is true or false.`);
}
