// `npm run build`: the sources in dist/, one file at a time and without types (`npm run types` checks those). Only what
// has changed since the last build is written again; what has lost its source goes.
import { createHash, randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';

const require = createRequire(import.meta.url);
const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const manifestFile = join(dist, 'build.json');
const sourceFolders = ['src', 'plugins', 'migrations'];

/** Everything beside the source itself on which an output depends. */
const recipe = [import.meta.filename, join(root, 'tsconfig.json'), require.resolve('typescript/package.json')]
  .map((file) => sha256(readFileSync(file)))
  .join();

build();

function build() {
  const before = readManifest();
  const now = new Map(sources().map((file) => [file, sha256(readFileSync(join(root, file)))]));
  const changed = [...now].filter(([file, hash]) => before.get(file) !== hash || !existsSync(output(file)));
  const gone = [...before.keys()].filter((file) => !now.has(file));
  // Who asks whether dist/ is newer than the sources looks at this file, too.
  if (changed.length === 0 && gone.length === 0) return utimesSync(manifestFile, new Date(), new Date());

  for (const file of gone) for (const suffix of ['', '.map']) rmSync(output(file) + suffix, { force: true });
  // First without the changed files: a build that fails or is killed leaves outputs that no old hash describes.
  const isChanged = new Set(changed.map(([file]) => file));
  writeManifest([...now].filter(([file]) => !isChanged.has(file)));
  if (changed.length > 0) compile([...isChanged]);
  writeManifest(now);
  console.log(`Built ${changed.length} of ${now.size} files.`);
}

function readManifest() {
  if (!existsSync(manifestFile)) {
    // Outputs of which nothing is known may have lost their sources.
    for (const folder of sourceFolders) rmSync(join(dist, folder), { recursive: true, force: true });
    return new Map();
  }
  const manifest = JSON.parse(readFileSync(manifestFile, 'utf8'));
  const known = Object.entries(manifest.sources);
  return new Map(manifest.recipe === recipe ? known : known.map(([file]) => [file, '']));
}

function writeManifest(hashes) {
  writeWhole(manifestFile, JSON.stringify({ recipe, sources: Object.fromEntries(hashes) }));
}

function sources() {
  return sourceFolders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
      .map((name) => join(folder, name)),
  );
}

function compile(files) {
  const ts = require('typescript');
  const configured = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config.compilerOptions;
  const { options } = ts.convertCompilerOptionsFromJson(configured, root);
  const faults = [];
  for (const file of files) {
    const { outputText, sourceMapText, diagnostics } = ts.transpileModule(readFileSync(join(root, file), 'utf8'), {
      fileName: join(root, file),
      compilerOptions: options,
      reportDiagnostics: true,
    });
    faults.push(...diagnostics);
    writeWhole(output(file), outputText);
    writeWhole(`${output(file)}.map`, withSource(sourceMapText, file));
  }
  if (faults.length === 0) return;
  const host = { getCurrentDirectory: () => root, getCanonicalFileName: (name) => name, getNewLine: () => '\n' };
  console.error(ts.formatDiagnostics(faults, host));
  process.exit(1);
}

/** A map names its source as seen from itself. */
function withSource(sourceMapText, file) {
  return JSON.stringify({ ...JSON.parse(sourceMapText), sources: [relative(dirname(output(file)), join(root, file))] });
}

function output(file) {
  return join(dist, dirname(file), `${basename(file, '.ts')}.js`);
}

/** A program that starts meanwhile sees the old file or the new one, and never a part. */
function writeWhole(file, text) {
  mkdirSync(dirname(file), { recursive: true });
  const draft = `${file}.${randomUUID()}`;
  writeFileSync(draft, text);
  renameSync(draft, file);
}

function sha256(octets) {
  return createHash('sha256').update(octets).digest('hex');
}
