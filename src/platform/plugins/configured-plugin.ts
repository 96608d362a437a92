import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { PluginError } from '../../plugin-api/errors.js';
import type { AnyPlugin, PluginOf } from '../../plugin-api/any-plugin.js';
import { addressKeys, type OptionValues, secretKeys } from '../../plugin-api/options.js';
import type { PluginKind } from '../../plugin-api/plugin.js';
import { unquoted } from '../db/list-filter.js';
import type { PageQuery } from '../http/page.js';
import { Problem } from '../http/problem.js';
import { validate } from '../http/validate.js';
import { KeyRing } from '../secrets/key-ring.js';
import type { Sealed } from '../secrets/sealed.js';
import { lemurOptions } from './lead-options.js';
import { asLemurValue, defaultsOf, fromLemur, optionsOf } from './option-form.js';
import type { OptionValueView, PluginInput, PluginLabel, PluginView } from './plugin.schema.js';
import { PluginRegistry, slugOf } from './registry.js';

/**
 * The columns in which a row says what plugin works for it and how. `options` has the values as given, defaults filled
 * in; a secret that is set stands there as null and has its value in `sealedOptions`. `secretId` binds that to the row.
 */
export interface StoredPlugin {
  pluginId: string;
  options: Record<string, unknown>;
  sealedOptions: Sealed | null;
  secretId: string;
}

/** `given` is what is stored, secrets included; `values` is what the plugin's code receives. */
export interface ParsedOptions {
  given: Record<string, unknown>;
  values: OptionValues;
}

/**
 * The options in a request, validated. `kept`: the secrets that are set already, which stay unless the request names
 * them. Throws Problem `invalid-request` with reasons for `plugin.options.<name>`, or for another `field`.
 */
export function parseOptions(
  plugin: AnyPlugin,
  input: PluginInput,
  kept: Readonly<Record<string, unknown>> = {},
  field = 'plugin',
): ParsedOptions {
  const asked = askedFor(plugin, input);
  const given = Object.fromEntries(
    Object.entries({ ...defaultsOf(plugin.options), ...kept, ...asked }).filter(([, value]) => value !== null),
  );
  const schema = z.object({ [field]: z.object({ options: plugin.options }) });
  return { given, values: validate(schema, { [field]: { options: given } })[field]?.options ?? {} };
}

/** The kept secrets that the request neither names nor clears. */
function unnamedOf(plugin: AnyPlugin, input: PluginInput, kept: Readonly<Record<string, unknown>>): string[] {
  const asked = askedFor(plugin, input);
  return Object.keys(kept).filter((name) => asked[name] === undefined);
}

/**
 * Who may change an address does not thereby learn the secrets that are sent there. Throws Problem `invalid-request`
 * that names each secret to be sent again.
 */
function demandSecretsFor(
  plugin: AnyPlugin,
  before: Readonly<Record<string, unknown>>,
  { given, unnamed, field }: { given: Readonly<Record<string, unknown>>; unnamed: readonly string[]; field: string },
): void {
  const old = { ...defaultsOf(plugin.options), ...before };
  const moved = addressKeys(plugin.options).find((name) => !isDeepStrictEqual(old[name], given[name]));
  if (moved === undefined || unnamed.length === 0) return;
  const reason = `Send it again, because ${moved} has changed.`;
  throw new Problem('invalid-request', `The secrets of ${plugin.title} were given for another address.`, {
    reasons: Object.fromEntries(unnamed.map((name) => [`${field}.options.${name}`, [reason]])),
  });
}

/**
 * Whoever writes `id` writes `options`, whoever writes `slug` writes `pluginOptions`; one thing alone is always taken.
 */
function askedFor({ options }: AnyPlugin, input: PluginInput): Record<string, unknown> {
  const native = input.id !== undefined || input.pluginOptions === undefined ? input.options : undefined;
  return native ?? fromLemur(options, input.pluginOptions ?? []);
}

/**
 * The only codec between a request, the columns of a row and the options of a plugin. `table` names the row's table.
 */
@Injectable()
export class ConfiguredPlugins {
  /** By kind and id: what never changes while the program runs. */
  private readonly labels = new Map<string, PluginLabel>();

  constructor(
    private readonly registry: PluginRegistry,
    private readonly ring: KeyRing,
  ) {}

  /** The plugin that `field` of a request chooses. Throws Problem `invalid-request`. */
  chosen<K extends PluginKind>(kind: K, { id, slug }: PluginInput, field = 'plugin'): PluginOf<K> {
    return id === undefined
      ? this.registry.get(kind, slug ?? '', `${field}.slug`)
      : this.registry.get(kind, id, `${field}.id`);
  }

  /** The options that a request names, in our form or in Lemur's; not validated. */
  asked(plugin: AnyPlugin, input: PluginInput): Record<string, unknown> {
    return askedFor(plugin, input);
  }

  /** A query in which a filter for a plugin names it as rows do, also where the client wrote Lemur's name of it. */
  asStored<Q extends PageQuery>(kind: PluginKind, query: Q): Q {
    const { filter } = query;
    const isPlugin = filter && ['plugin', 'pluginName', 'plugin_name'].includes(filter.field);
    const plugin = isPlugin ? this.registry.find(kind, unquoted(filter.value) ?? filter.value) : null;
    return filter && plugin ? { ...query, filter: { ...filter, value: `"${plugin.id}"` } } : query;
  }

  /** The plugin of a row; null when this installation no longer has it. */
  find<K extends PluginKind>(kind: K, pluginId: string): PluginOf<K> | null {
    return this.registry.find(kind, pluginId);
  }

  /** The plugin of a row. Throws PluginError when this installation no longer has it. */
  plugin<K extends PluginKind>(kind: K, pluginId: string): PluginOf<K> {
    const plugin = this.find(kind, pluginId);
    if (plugin) return plugin;
    throw new PluginError('misconfigured', `This installation has no ${kind} plugin "${pluginId}".`);
  }

  /**
   * The columns for what `field` of a request asks. `before`: the row that it changes, whose unnamed secrets stay
   * unless the plugin changes. Throws Problem `invalid-request` when they would go to another address than before.
   */
  seal(plugin: AnyPlugin, input: PluginInput, table: string, before?: StoredPlugin, field = 'plugin'): StoredPlugin {
    const kept = before?.pluginId === plugin.id ? pick(this.given(before, table), secretKeys(plugin.options)) : {};
    const { given } = parseOptions(plugin, input, kept, field);
    const unnamed = unnamedOf(plugin, input, kept);
    if (before) demandSecretsFor(plugin, { ...before.options, ...kept }, { given, unnamed, field });
    const secrets = pick(given, secretKeys(plugin.options));
    const masked = Object.fromEntries(Object.keys(secrets).map((name) => [name, null]));
    const secretId = before?.secretId ?? randomUUID();
    const sealedOptions =
      Object.keys(secrets).length === 0 ? null : this.ring.seal(JSON.stringify(secrets), placeOf(table, secretId));
    return { pluginId: plugin.id, options: { ...given, ...masked }, sealedOptions, secretId };
  }

  /** What the plugin's code receives. Throws PluginError when the stored options no longer fit the plugin. */
  open<P extends AnyPlugin>(plugin: P, row: StoredPlugin, table: string): OptionValues {
    const parsed = plugin.options.safeParse(this.given(row, table));
    if (parsed.success) return parsed.data;
    const faults = parsed.error.issues.map(({ path, message }) => [...path.map(String), message].join(': '));
    throw new PluginError(
      'misconfigured',
      `The options of ${plugin.title} no longer fit it. Correct them: ${faults.join('; ')}.`,
    );
  }

  /** What a response shows: never a secret. A plugin that is gone shows its id and what is not sealed. */
  view(kind: PluginKind, { pluginId, options: stored }: Pick<StoredPlugin, 'pluginId' | 'options'>): PluginView {
    const plugin = this.registry.find(kind, pluginId);
    const secrets = plugin ? secretKeys(plugin.options) : [];
    const options = Object.fromEntries(
      Object.entries(stored).filter(([name, value]) => value !== null && !secrets.includes(name)),
    );
    return {
      slug: plugin ? slugOf(plugin) : pluginId,
      title: plugin?.title ?? pluginId,
      description: plugin?.description ?? '',
      options,
      pluginOptions: this.optionValues(kind, { pluginId, options }),
      secretsSet: secrets.filter((name) => Object.hasOwn(stored, name)),
    };
  }

  /** How an answer about other things names the plugin of a row. One that is gone is named by its id. */
  label(kind: PluginKind, pluginId: string): PluginLabel {
    const key = `${kind} ${pluginId}`;
    const known = this.labels.get(key);
    if (known) return known;
    const plugin = this.registry.find(kind, pluginId);
    const label = plugin
      ? {
          slug: slugOf(plugin),
          title: plugin.title,
          description: plugin.description,
          pluginOptions: optionsOf(lemurOptions(plugin)),
        }
      : { slug: pluginId, title: pluginId, description: '', pluginOptions: [] };
    // Of what rows name there are as many as plugins, and those that are gone.
    this.labels.set(key, label);
    return label;
  }

  /** The options of a row in Lemur's form. Secrets have no value: rows keep them elsewhere. */
  optionValues(kind: PluginKind, { pluginId, options }: Pick<StoredPlugin, 'pluginId' | 'options'>): OptionValueView[] {
    const { pluginOptions } = this.label(kind, pluginId);
    return pluginOptions.map((option) => ({
      value: option.sensitive ? null : asLemurValue(options[option.name] ?? null),
      ...option,
    }));
  }

  /** The names of the secrets that were set, changed or removed, for the audit log. */
  secretsChanged(before: StoredPlugin, after: StoredPlugin, table: string): string[] {
    const [old, now] = [this.secrets(before, table), this.secrets(after, table)];
    return Object.keys({ ...old, ...now })
      .filter((name) => !isDeepStrictEqual(old[name], now[name]))
      .sort();
  }

  /** The row's secrets under the sealing key; null when there is nothing to move. */
  rekey({ sealedOptions, secretId }: Pick<StoredPlugin, 'sealedOptions' | 'secretId'>, table: string): Sealed | null {
    if (!sealedOptions || !this.ring.needsRekey(sealedOptions)) return null;
    return this.ring.rekey(sealedOptions, placeOf(table, secretId));
  }

  private given(row: StoredPlugin, table: string): Record<string, unknown> {
    const shown = Object.entries(row.options).filter(([, value]) => value !== null);
    return { ...Object.fromEntries(shown), ...this.secrets(row, table) };
  }

  private secrets({ sealedOptions, secretId }: StoredPlugin, table: string): Record<string, unknown> {
    return sealedOptions
      ? (JSON.parse(this.ring.open(sealedOptions, placeOf(table, secretId)).toString()) as Record<string, unknown>)
      : {};
  }
}

function placeOf(table: string, secretId: string): string {
  return `${table}.sealed_options.${secretId}`;
}

function pick(values: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => names.includes(name)));
}
