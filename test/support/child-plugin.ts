import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';

const root = join(__dirname, '../..');

/** Settings that make a program of child.ts know one more plugin. */
export interface ChildPlugin {
  env: { NODE_OPTIONS: string };
  remove(): Promise<void>;
}

/** Compiles the plugin that the module `test/fakes/<name>.ts` exports as `exported`, against the modules in dist/. */
export async function compilePlugin(name: string, exported: string): Promise<ChildPlugin> {
  const folder = await mkdtemp(join(tmpdir(), 'perennial-plugin-'));
  const source = await readFile(join(root, `test/fakes/${name}.ts`), 'utf8');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const compiled = outputText
    .replaceAll(`require("../../`, `require("${root}/dist/`)
    .replaceAll(/require\("(\w[^"]*)"\)/g, (_, module: string) => `require("${require.resolve(module)}")`);
  await writeFile(join(folder, 'plugin.cjs'), compiled);
  const preload = join(folder, 'preload.cjs');
  await writeFile(
    preload,
    `require(${JSON.stringify(join(root, 'dist/plugins/index.js'))})` +
      `.plugins.push(require('./plugin.cjs').${exported});`,
  );
  return { env: { NODE_OPTIONS: `--require ${preload}` }, remove: () => rm(folder, { recursive: true, force: true }) };
}
