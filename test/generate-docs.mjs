// Writes what the documents say about plugins and settings from the program itself. Needs a build (npm run build).
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const root = new URL('..', import.meta.url);
const load = createRequire(new URL('dist/src/', root));
load('reflect-metadata');
const { plugins } = load('../plugins/index.js');
const { pluginsMarkdown } = load('./platform/plugins/plugin-docs.js');
const { configTable } = load('./platform/config.js');

writeFileSync(new URL('plugins/README.md', root), pluginsMarkdown(plugins));

const readme = new URL('README.md', root);
if (existsSync(readme)) {
  const between = /(<!-- config:start -->)[\s\S]*?(<!-- config:end -->)/;
  writeFileSync(
    readme,
    readFileSync(readme, 'utf8').replace(between, (_, start, end) => `${start}\n${configTable()}\n${end}`),
  );
}
