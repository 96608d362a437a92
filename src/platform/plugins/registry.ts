import type { AnyPlugin, PluginOf } from '../../plugin-api/any-plugin.js';
import { formOf } from '../../plugin-api/options.js';
import type { PluginKind } from '../../plugin-api/plugin.js';
import { invalid } from '../http/problem.js';
import { lemurOptions } from './lead-options.js';
import { optionsOf } from './option-form.js';
import type { PluginDescription } from './plugin.schema.js';

const capabilities = [
  'check',
  'createAuthority',
  'describe',
  'list',
  'profiles',
  'requests',
  'poll',
  'find',
  'cancel',
  'revoke',
  'hold',
  'release',
  'deactivate',
  'renewalInfo',
  'changeAccountKey',
  'files',
  'verify',
  'remove',
  'source',
  'targets',
  'zones',
];

/** Every plugin of this installation, found by kind and by id or Lemur slug. */
export class PluginRegistry {
  readonly plugins: AnyPlugin[] = [];
  private readonly byName = new Map<string, AnyPlugin>();

  /** Throws as `add`. */
  constructor(plugins: readonly AnyPlugin[]) {
    for (const plugin of plugins) this.add(plugin);
  }

  /** While the program starts. Throws when two plugins answer to the same id or alias. */
  add(plugin: AnyPlugin): void {
    for (const name of [plugin.id, ...(plugin.aliases ?? [])]) this.addName(name, plugin);
    this.plugins.push(plugin);
  }

  find<K extends PluginKind>(kind: K, name: string): PluginOf<K> | null {
    const plugin = this.byName.get(name);
    return plugin?.kind === kind ? (plugin as PluginOf<K>) : null;
  }

  /** Throws Problem `invalid-request` that blames `field` of the request. */
  get<K extends PluginKind>(kind: K, name: string, field = 'plugin'): PluginOf<K> {
    const plugin = this.find(kind, name);
    if (plugin) return plugin;
    throw invalid(field, `Unknown ${kind} plugin "${name}"`);
  }

  /** In order of their ids. */
  list(kind?: PluginKind): PluginDescription[] {
    const wanted = this.plugins.filter((plugin) => kind === undefined || plugin.kind === kind);
    return wanted.map(describePlugin).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  private addName(name: string, plugin: AnyPlugin): void {
    const other = this.byName.get(name);
    if (other) throw new Error(`The plugins ${other.id} and ${plugin.id} both answer to "${name}".`);
    this.byName.set(name, plugin);
  }
}

/** What a client needs to know to offer the plugin. */
export function describePlugin(plugin: AnyPlugin): PluginDescription {
  const { id, kind, title, description, options } = plugin;
  const can = capabilities.filter((name) => plugin[name as keyof AnyPlugin] !== undefined);
  return {
    id,
    slug: slugOf(plugin),
    kind,
    type: kind,
    title,
    description,
    form: formOf(options),
    pluginOptions: optionsOf(lemurOptions(plugin)),
    can,
  };
}

/** The name by which Lemur's clients know the plugin, where Lemur has it. */
export function slugOf({ id, aliases }: Pick<AnyPlugin, 'id' | 'aliases'>): string {
  return aliases?.[0] ?? id;
}
