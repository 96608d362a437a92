import type { AnyPlugin } from '../../plugin-api/any-plugin.js';
import type { OptionSchema } from '../../plugin-api/options.js';
import type { PluginKind } from '../../plugin-api/plugin.js';
import type { TargetList } from '../../plugin-api/source.js';
import { propertiesOf, type Property } from './option-form.js';

const headings: Readonly<Record<PluginKind, string>> = {
  issuer: 'Issuers',
  destination: 'Destinations',
  source: 'Sources',
  notification: 'Notifications',
  dns: 'DNS services',
  export: 'Exports',
};

const introduction = `# Plugins

Made by \`npm run docs\` from the plugins themselves; changes by hand are lost. The contract is in
\`src/plugin-api\`, one file for each kind: write a plugin with one of its \`define…\` functions in a folder of its
own, and add it to \`index.ts\`.`;

/** The text of plugins/README.md: every plugin with its options, by kind and then by id. */
export function pluginsMarkdown(plugins: readonly AnyPlugin[]): string {
  const kinds = (Object.keys(headings) as PluginKind[]).map(
    (kind) => [headings[kind], plugins.filter((plugin) => plugin.kind === kind)] as const,
  );
  const sections = kinds
    .filter(([, members]) => members.length > 0)
    .map(([heading, members]) => [`## ${heading}`, ...members.map(section)].join('\n\n'));
  return `${[introduction, ...sections].join('\n\n')}\n`;
}

function section(plugin: AnyPlugin): string {
  const names = (plugin.aliases ?? []).map((alias) => `\`${alias}\``).join(', ');
  const facts = [
    ...(names === '' ? [] : [`Lemur's clients may call it ${names}.`]),
    ...('needsPrivateKey' in plugin
      ? [plugin.needsPrivateKey ? 'It gets the private key.' : 'It never gets the private key.']
      : []),
    ...('files' in plugin && plugin.files
      ? [`It takes the files of an export, by default \`${plugin.files.pluginId}\`.`]
      : []),
  ];
  return [
    `### ${plugin.title} (\`${plugin.id}\`)`,
    [plugin.description, ...facts].join(' '),
    options(plugin.options),
    ...('targets' in plugin && plugin.targets ? [columns(plugin.targets)] : []),
  ].join('\n\n');
}

/** The columns of a table of targets. */
function columns({ option, row }: TargetList): string {
  const { properties, required } = propertiesOf(row);
  const rows = Object.entries(properties).map(
    ([name, { title, description }]) =>
      `| \`${name}\` | ${required.includes(name) ? 'required' : ''} | ${cell(`${title}. ${description}`)} |`,
  );
  const introduction = `A CSV file can add to \`${option}\`. Its columns:`;
  return `${introduction}\n\n${['| Column | | Meaning |', '| --- | --- | --- |', ...rows].join('\n')}`;
}

function options(schema: OptionSchema): string {
  const { properties, required } = propertiesOf(schema);
  const rows = Object.entries(properties).map(
    ([name, property]) =>
      `| \`${name}\` | ${cell(typeOf(property))} | ` +
      `${required.includes(name) ? 'required' : cell(defaultOf(property))} | ` +
      `${cell(`${property.title}. ${property.description}`)} |`,
  );
  return rows.length === 0
    ? 'It has no options.'
    : ['| Option | Type | Default | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function typeOf({ type, enum: values, secret }: Property): string {
  if (secret) return 'secret text';
  if (values) return `one of ${values.map((value) => `\`${String(value)}\``).join(', ')}`;
  return (
    { string: 'text', integer: 'whole number', number: 'number', boolean: 'true or false', array: 'list' }[
      type ?? 'string'
    ] ?? 'text'
  );
}

function defaultOf({ default: value }: Property): string {
  return value === undefined || (Array.isArray(value) && value.length === 0)
    ? ''
    : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

/** Text that stays inside one cell and is not taken for HTML. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');
}
