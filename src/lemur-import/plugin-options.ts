import type { PluginKind } from '../plugin-api/plugin.js';
import { counterpartOf } from './counterparts.js';
import { explainFault } from './fault-text.js';
import { lemurOptions } from '../platform/plugins/lead-options.js';
import { ConfiguredPlugins, type StoredPlugin } from '../platform/plugins/configured-plugin.js';
import { optionsOf } from '../platform/plugins/option-form.js';
import type { LemurPlugin, StoredOptions } from './lemur-rows.js';
import type { Run, Step } from './run.js';

/** One option as Lemur stores it, with fields for its form. */
export interface LemurOption {
  [more: string]: unknown;
  name: string;
  value?: unknown;
  sensitive?: boolean;
}

/** The options of a row; empty when they are not a list of options. */
export function optionsIn(stored: StoredOptions): LemurOption[] {
  let options = stored;
  for (let depth = 0; typeof options === 'string' && depth < 3; depth += 1) options = parsed(options);
  if (!Array.isArray(options)) return [];
  return options.filter(
    (option: unknown): option is LemurOption => typeof (option as LemurOption | null)?.name === 'string',
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const telling = /pass|secret|token|key|credential|webhook|hmac/i;

/** The options that a report may show: none that is or may be a secret. */
export function shown(stored: StoredOptions): Record<string, unknown> {
  return Object.fromEntries(
    optionsIn(stored).map(({ name, value, sensitive }) => [
      name,
      (sensitive ?? false) || telling.test(name) ? '(not shown)' : (value ?? null),
    ]),
  );
}

/** The value of an option as text; empty when it has none. */
export function textOf(stored: StoredOptions, name: string): string {
  const value = optionsIn(stored).find((option) => option.name === name)?.value;
  return typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : '';
}

/** The plugin columns of a row; null, with a note, when the plugin is missing or refuses the options. */
export function pluginOf(
  run: Run,
  { report }: Step,
  kind: PluginKind,
  table: string,
  row: LemurPlugin,
): StoredPlugin | null {
  const name = row.label ?? String(row.id);
  const lemurSlug = row.pluginName ?? '';
  const leave = (text: string): null => {
    report.count(table, 'left');
    const facts = { plugin: lemurSlug, description: row.description, options: shown(row.options) };
    report.note({ kind: 'left', table, id: row.id, name, text, facts });
    return null;
  };
  const counterpart = kind === 'destination' ? counterpartOf(lemurSlug, (option) => textOf(row.options, option)) : null;
  if (typeof counterpart === 'string') return leave(counterpart);
  const { slug, options, notes } = counterpart ?? { slug: lemurSlug, options: optionsIn(row.options), notes: [] };
  try {
    const configured = run.parts.get(ConfiguredPlugins);
    const found = configured.plugin(kind, slug);
    const plugin = { ...found, options: lemurOptions(found) };
    const known = new Set(optionsOf(plugin.options).map((option) => option.name));
    const unknown = options.filter(
      (option) => !known.has(option.name) && option.value !== null && option.value !== undefined && option.value !== '',
    );
    const stored = configured.seal(
      plugin,
      { slug, pluginOptions: options.filter((option) => known.has(option.name)) },
      kind === 'notification' ? 'channel' : kind,
    );
    const lacking = unknown.map((option) => option.name).join(', ');
    const changes = [...notes, ...(lacking === '' ? [] : [`${plugin.title} has no such option: ${lacking}.`])];
    for (const text of changes) report.note({ kind: 'changed', table, id: row.id, name, text });
    return stored;
  } catch (error) {
    return leave(explainFault(error));
  }
}
