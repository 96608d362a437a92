// `npm run docs`: writes plugins/README.md and the table of docs/settings.md. Needs a build (npm run build).
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const root = new URL('..', import.meta.url);
const load = createRequire(new URL('dist/src/', root));
load('reflect-metadata');
const { plugins } = load('../plugins/index.js');
const { authoritySource } = load('./certificates/discover/authority.source.js');
const { pluginsMarkdown } = load('./platform/plugins/plugin-docs.js');
const { configTable } = load('./platform/config.js');

writeFileSync(new URL('plugins/README.md', root), pluginsMarkdown([authoritySource(), ...plugins]));

const settings = new URL('docs/settings.md', root);
const between = /(<!-- config:start -->)[\s\S]*?(<!-- config:end -->)/;
const text = readFileSync(settings, 'utf8');
writeFileSync(
  settings,
  text.replace(between, (_, start, end) => `${start}\n${configTable()}\n${end}`),
);
