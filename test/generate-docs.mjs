// `npm run docs`: writes plugins/README.md and the tables of docs/settings.md and docs/lint.md. Needs a build.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const root = new URL('..', import.meta.url);
const load = createRequire(new URL('dist/src/', root));
load('reflect-metadata');
const { plugins } = load('../plugins/index.js');
const { authoritySource } = load('./certificates/discover/authority.source.js');
const { pluginsMarkdown } = load('./platform/plugins/plugin-docs.js');
const { configTable } = load('./platform/config.js');
const { crlLintTable, lintTable, ocspLintTable } = load('./pki/lint/lint-docs.js');

writeFileSync(new URL('plugins/README.md', root), pluginsMarkdown([authoritySource(), ...plugins]));

fill('docs/settings.md', 'config', configTable());
fill('docs/lint.md', 'lints', lintTable());
fill('docs/lint.md', 'crl-lints', crlLintTable());
fill('docs/lint.md', 'ocsp-lints', ocspLintTable());

/** Puts `table` between the marks of that name in `file`. */
function fill(file, name, table) {
  const url = new URL(file, root);
  const between = new RegExp(`(<!-- ${name}:start -->)[\\s\\S]*?(<!-- ${name}:end -->)`);
  writeFileSync(
    url,
    readFileSync(url, 'utf8').replace(between, (_, start, end) => `${start}\n${table}\n${end}`),
  );
}
