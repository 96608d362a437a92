import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bundle } from '../../src/plugin-api/export.js';
import { pluginContext, startTestAuthority, type TestAuthority } from '../../test/support/bundles.js';
import { delivery, type Layout } from '../../test/support/exported.js';
import { execFileSync, spawnSync } from '../../test/support/sync-programs.js';
import { filesystem } from './filesystem.destination.js';

const ROOT = join(__dirname, '../..');
const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;

/** Delivers the requests of a file over and over, or once; prints the fault when that fails. */
const PROGRAM = `
const { readFileSync } = require('node:fs');
const { filesystem } = require('./plugins/filesystem/filesystem.destination.js');
const [file, options, times] = process.argv.slice(2);
const requests = JSON.parse(readFileSync(file, 'utf8'));
for (const { files } of requests) for (const f of files) f.bytes = Buffer.from(f.bytes.data);
const ctx = { signal: new AbortController().signal, now: () => new Date(0), log() {}, site: { protectedPaths: [] } };
(async () => {
  for (let i = 0; i < Number(times); i++) {
    const parsed = filesystem.options.parse(JSON.parse(options));
    await filesystem.deliver(requests[i % requests.length], parsed, ctx);
    if (i === 0) console.log('started');
  }
})().catch((error) => { console.log(JSON.stringify({ fault: error.fault, detail: error.detail })); });
`;

let authority: TestAuthority;
let program: string;
let folder: string;

beforeAll(() => {
  authority = startTestAuthority();
  folder = mkdtempSync(join(tmpdir(), 'filesystem-crash-'));
  chmodSync(folder, 0o755);
  program = join(folder, 'program');
  compile([
    ...['errors', 'options', 'destination'].map((name) => `src/plugin-api/${name}.ts`),
    ...['key-pair'].map((name) => `src/pki/${name}.ts`),
    ...['filesystem.destination', 'allowed', 'filesystem.client', 'owner', 'place'].map(
      (name) => `plugins/filesystem/${name}.ts`,
    ),
  ]);
});
afterAll(() => {
  authority.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A child process that can be killed needs JavaScript on disk. */
function compile(files: readonly string[]): void {
  for (const file of files) {
    const target = join(program, file.replace(/ts$/, 'js'));
    mkdirSync(dirname(target), { recursive: true });
    const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true };
    writeFileSync(target, ts.transpileModule(readFileSync(join(ROOT, file), 'utf8'), { compilerOptions }).outputText);
  }
  symlinkSync(join(ROOT, 'node_modules'), join(program, 'node_modules'));
  writeFileSync(join(program, 'main.js'), PROGRAM);
}

async function requestsFile(bundles: readonly Bundle[], layout?: Layout): Promise<string> {
  const file = join(folder, 'requests.json');
  const requests = await Promise.all(bundles.map((bundle) => delivery(bundle, layout)));
  writeFileSync(file, JSON.stringify(requests), { mode: 0o644 });
  return file;
}

/** Delivers once in a process of its own, as `uid` if this one may choose; gives what it printed. */
async function deliverApart(path: string, uid?: number): Promise<string> {
  const file = await requestsFile([authority.issue('a.test')]);
  const identity = isRoot && uid !== undefined ? { uid, gid: uid } : {};
  return execFileSync(process.execPath, [join(program, 'main.js'), file, JSON.stringify({ path }), '1'], {
    encoding: 'utf8',
    ...identity,
  });
}

/**
 * Reads a pair as a careful reader does: the folder is resolved once, and again when it has been swept away meanwhile.
 */
async function readPair(link: string, names: readonly [string, string]): Promise<[string, string]> {
  for (;;) {
    try {
      const version = await realpath(link);
      return [await readFile(join(version, names[0]), 'utf8'), await readFile(join(version, names[1]), 'utf8')];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

interface Case {
  layout: Layout;
  store: string;
  names: readonly [string, string];
  visible: string;
}

describe('a delivery that is killed', () => {
  const cases: Case[] = [
    { layout: 'directory', store: 'a.test', names: ['cert.pem', 'privkey.pem'], visible: 'a.test' },
    { layout: 'nginx', store: '.a.test.pem.d', names: ['a.test.pem', 'a.test.key'], visible: '' },
  ];

  it.each(cases)(
    'leaves key and certificate that fit, at every moment ($layout)',
    async ({ layout, store, names, visible }) => {
      const path = join(folder, layout);
      const bundles = Array.from({ length: 3 }, () => authority.issue('a.test'));
      const file = await requestsFile(bundles, layout);
      const fits = ([certificate, key]: readonly [string, string]): boolean =>
        bundles.some((bundle) => certificate.startsWith(bundle.chainPem[0] as string) && key === bundle.privateKeyPem);
      const verdicts = { apart: 0, afterKill: 0, reads: 0 };
      for (let round = 0; round < 12; round++) {
        const child = spawn(process.execPath, [join(program, 'main.js'), file, JSON.stringify({ path }), '1000000'], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        const exited = once(child, 'exit');
        await once(child.stdout, 'data');
        for (let reads = 5 + Math.random() * 40; reads > 0; reads--) {
          verdicts.reads += 1;
          if (!fits(await readPair(join(path, store, 'current'), names))) verdicts.apart += 1;
        }
        child.kill('SIGKILL');
        await exited;
        if (
          !fits([
            readFileSync(join(path, visible, names[0]), 'utf8'),
            readFileSync(join(path, visible, names[1]), 'utf8'),
          ])
        )
          verdicts.afterKill += 1;
      }
      expect(verdicts).toMatchObject({ apart: 0, afterKill: 0 });
      expect(verdicts.reads).toBeGreaterThan(50);
    },
  );

  it('leaves only files that the next delivery removes', async () => {
    const path = join(folder, 'leftovers');
    const ctx = pluginContext({ protectedPaths: [] });
    const bundle = authority.issue('a.test');
    await filesystem.deliver(await delivery(bundle), filesystem.options.parse({ path }), ctx);
    mkdirSync(join(path, 'a.test/.version-killed'));
    writeFileSync(join(path, 'a.test/.version-killed/privkey.pem'), 'half a ke');
    symlinkSync('.version-killed', join(path, 'a.test/.new-killed'));
    await filesystem.deliver(await delivery(bundle), filesystem.options.parse({ path }), ctx);
    expect(readdirSync(join(path, 'a.test')).filter((name) => name.startsWith('.'))).toHaveLength(1);
  });
});

describe('a folder that cannot be written', () => {
  it('is retried later when permission is missing', async () => {
    const path = join(folder, 'closed');
    mkdirSync(path, { mode: isRoot ? 0o755 : 0o555 });
    expect(JSON.parse(await deliverApart(path, NOBODY))).toEqual({
      fault: 'unavailable',
      detail: expect.stringContaining('EACCES'),
    });
  });

  it('is retried later when the owner cannot be changed', async () => {
    const path = join(folder, 'public');
    mkdirSync(path);
    chmodSync(path, 0o777);
    const file = await requestsFile([authority.issue('a.test')]);
    const args = [join(program, 'main.js'), file, JSON.stringify({ path, owner: '0:0' }), '1'];
    const answer = execFileSync(process.execPath, args, {
      encoding: 'utf8',
      ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
    });
    expect(JSON.parse(answer)).toEqual({ fault: 'unavailable', detail: expect.stringContaining('EPERM') });
    expect(readdirSync(join(path, 'a.test'))).toEqual([]);
  });

  const mount = (path: string, choices: string): boolean => {
    mkdirSync(path);
    return spawnSync('mount', ['-t', 'tmpfs', '-o', choices, 'tmpfs', path]).status === 0;
  };

  it('is retried later when the disk is full or read-only, and the old files stay', async ({ skip }) => {
    const path = join(folder, 'small');
    if (!mount(path, 'size=20k')) skip('this process may not mount a small disk');
    try {
      const ctx = pluginContext({ protectedPaths: [] });
      const [first, second] = [authority.issue('a.test'), authority.issue('a.test')];
      const options = filesystem.options.parse({ path });
      await filesystem.deliver(await delivery(first, 'combined'), options, ctx);
      writeFileSync(join(path, 'ballast'), Buffer.alloc(8192));
      await expect(filesystem.deliver(await delivery(second, 'combined'), options, ctx)).rejects.toMatchObject({
        fault: 'unavailable',
        detail: expect.stringContaining('ENOSPC'),
      });
      expect(readFileSync(join(path, 'a.test.pem'), 'utf8')).toContain(first.chainPem[0]);
      rmSync(join(path, 'ballast'));
      await filesystem.deliver(await delivery(second, 'combined'), options, ctx);
      expect(readFileSync(join(path, 'a.test.pem'), 'utf8')).toContain(second.chainPem[0]);
      execFileSync('mount', ['-o', 'remount,ro', path]);
      await expect(filesystem.deliver(await delivery(first, 'combined'), options, ctx)).rejects.toMatchObject({
        fault: 'unavailable',
        detail: expect.stringContaining('EROFS'),
      });
    } finally {
      execFileSync('umount', [realpathSync(path)]);
    }
  });
});
