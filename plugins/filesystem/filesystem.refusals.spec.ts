import { mkdirSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fault, filesystemBench } from '../../test/support/filesystem-bench.js';
import { filesystem } from './filesystem.destination.js';

const bench = filesystemBench();
const { context, options, deliver } = bench;

describe('filesystem refuses', () => {
  it.each([
    ["the program's own folder", ''],
    ['a folder in it', '/certs/deep'],
    ['a folder above it', '/..'],
    ['a link to it', '/../link'],
    ['a folder behind a link to it', '/../link/certs'],
  ])('%s', async (_, suffix) => {
    const own = join(bench.folder, 'own');
    mkdirSync(own);
    symlinkSync(own, join(bench.folder, 'link'));
    await expect(
      deliver(bench.authority.issue('a.test'), { path: join(own, suffix) }, context({ protectedPaths: [own] })),
    ).rejects.toThrow(fault('misconfigured'));
    await expect(
      filesystem.check?.(options({ path: join(own, suffix) }), context({ protectedPaths: [own] })),
    ).rejects.toThrow(fault('misconfigured'));
    expect(readdirSync(own)).toEqual([]);
  });

  describe('with folders that the operator allows', () => {
    it.each([
      ['the folder itself', 'root', true],
      ['a folder below it that does not exist yet', 'root/a/b', true],
      ['a folder beside it', 'other', false],
      ['a folder whose name begins alike', 'rooted', false],
      ['a folder above it', '', false],
      ['a link in it that leads out', 'root/out', false],
      ['a folder behind that link', 'root/out/certs', false],
      ['a link outside that leads in', 'in', true],
    ])('%s', async (_, path, isAllowed) => {
      for (const name of ['root', 'other', 'rooted']) mkdirSync(join(bench.folder, name));
      symlinkSync(join(bench.folder, 'other'), join(bench.folder, 'root/out'));
      symlinkSync(join(bench.folder, 'root'), join(bench.folder, 'in'));
      // The allowed root itself is a link here.
      symlinkSync(join(bench.folder, 'root'), join(bench.folder, 'allowed'));
      const ctx = context({ allowedRoots: [join(bench.folder, 'allowed')] });
      const asked = { path: join(bench.folder, path) };
      const works = [
        () => filesystem.admit?.(options(asked), ctx),
        () => filesystem.check?.(options(asked), ctx),
        () => deliver(bench.authority.issue('a.test'), asked, ctx),
      ];
      for (const work of works) {
        if (isAllowed) await work();
        else await expect(work()).rejects.toThrow(fault('misconfigured'));
      }
      expect(readdirSync(join(bench.folder, 'other'))).toEqual([]);
    });
  });

  it("a store that leads into the program's own folder", async () => {
    const own = join(bench.folder, 'own');
    mkdirSync(own);
    mkdirSync(join(bench.folder, 'certs'));
    symlinkSync(own, join(bench.folder, 'certs/a.test'));
    await expect(
      deliver(
        bench.authority.issue('a.test'),
        { path: join(bench.folder, 'certs') },
        context({ protectedPaths: [own] }),
      ),
    ).rejects.toThrow(fault('misconfigured'));
    expect(readdirSync(own)).toEqual([]);
  });

  it('a delivery without files', async () => {
    await expect(
      filesystem.deliver({ bundle: bench.authority.issue('a.test'), files: [], round: '1.1' }, options(), context()),
    ).rejects.toThrow(fault('refused'));
    expect(readdirSync(bench.folder)).toEqual([]);
  });

  it('to replace a "current" that it did not make', async () => {
    mkdirSync(join(bench.folder, 'a.test/releases'), { recursive: true });
    symlinkSync('releases', join(bench.folder, 'a.test/current'));
    await expect(deliver(bench.authority.issue('a.test'))).rejects.toThrow(fault('misconfigured'));
    expect(readlinkSync(join(bench.folder, 'a.test/current'))).toBe('releases');
  });

  it('a folder below a plain file, an unknown owner and a long path', async () => {
    writeFileSync(join(bench.folder, 'file'), '');
    const bundle = bench.authority.issue('a.test');
    await expect(deliver(bundle, { path: join(bench.folder, 'file/certs') })).rejects.toThrow(fault('misconfigured'));
    await expect(deliver(bundle, { owner: 'nobody-of-that-name' })).rejects.toThrow(fault('misconfigured'));
    await expect(deliver(bundle, { path: join(bench.folder, 'x'.repeat(300)) })).rejects.toThrow(
      fault('misconfigured'),
    );
  });

  it('to start once it has been aborted', async () => {
    await expect(deliver(bench.authority.issue('a.test'), {}, context({}, AbortSignal.abort()))).rejects.toThrow(
      fault('unavailable'),
    );
    expect(readdirSync(bench.folder)).toEqual([]);
  });
});
