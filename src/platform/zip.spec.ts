import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { execFileSync, spawnSync } from '../../test/support/sync-programs.js';
import { readZip, ZipError } from './zip.js';

const isInstalled = spawnSync('zip', ['-v']).status === 0;
if (!isInstalled) console.warn('Skipped: zip is not installed (Debian and Ubuntu: apt-get install zip).');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'zip-'));
  mkdirSync(join(folder, 'a/b'), { recursive: true });
  return () => rmSync(folder, { recursive: true });
});
const put = (name: string, content: string | Buffer): void => writeFileSync(join(folder, name), content);
const zip = (...args: string[]): Buffer => {
  execFileSync('zip', ['-q', 'out.zip', ...args], { cwd: folder });
  return readFileSync(join(folder, 'out.zip'));
};

describe.skipIf(!isInstalled)('an archive of zip(1)', () => {
  it.each(['-0', '-9'])('is read with its files as they are, with %s', async (level) => {
    put('a/b/one.pem', 'one'.repeat(1000));
    put('empty.pem', '');
    expect(await readZip(zip(level, '-r', 'a', 'empty.pem', '-z'))).toEqual([
      { path: 'a/b/one.pem', bytes: Buffer.from('one'.repeat(1000)) },
      { path: 'empty.pem', bytes: Buffer.alloc(0) },
    ]);
  });

  it('has a fault for each file that is damaged, encrypted or too large, and the others', async () => {
    put('large.pem', Buffer.alloc(1_048_577));
    put('good.pem', 'good');
    put('bad.pem', 'bad'.repeat(100));
    zip('-0', 'large.pem', 'good.pem', 'bad.pem');
    put('locked.pem', 'locked');
    const archive = zip('-P', 'secret', 'locked.pem');
    archive.write('x', archive.indexOf('badbad'));
    expect(await readZip(archive)).toEqual([
      { path: 'large.pem', fault: 'It is larger than 1048576 bytes.' },
      { path: 'good.pem', bytes: Buffer.from('good') },
      { path: 'bad.pem', fault: 'It is damaged.' },
      { path: 'locked.pem', fault: 'It is encrypted.' },
    ]);
  });

  it('that inflates to more than it says is a fault', async () => {
    put('bomb.pem', Buffer.alloc(4 * 1_048_576));
    const archive = zip('-9', 'bomb.pem');
    const entry = archive.lastIndexOf(Buffer.from('PK\x01\x02'));
    archive.writeUInt32LE(10, entry + 24);
    expect(await readZip(archive)).toEqual([{ path: 'bomb.pem', fault: 'It is damaged, or larger than it says.' }]);
  });

  it('is refused as a whole when its files are too many, or too large together', async () => {
    for (let n = 0; n < 33; n += 1) put(`f${n}`, Buffer.alloc(1_048_576));
    await expect(readZip(zip('-r', '.'))).rejects.toThrow('larger than 33554432 bytes together');
    rmSync(join(folder, 'out.zip'));
    for (let n = 0; n < 2001; n += 1) put(`a/b/${n}`, '');
    await expect(readZip(zip('-r', 'a'))).rejects.toThrow('more than 2000 files');
  });

  it('that was cut off or changed anywhere throws nothing but ZipError', async () => {
    put('one.pem', 'one');
    const archive = zip('one.pem');
    for (let length = 0; length < archive.length; length += 1)
      await expect(readZip(archive.subarray(0, length))).rejects.toThrow(ZipError);
    for (let at = 0; at < archive.length; at += 1) {
      const changed = Buffer.from(archive);
      changed[at] = 0xff;
      try {
        await readZip(changed);
      } catch (error) {
        expect(error).toBeInstanceOf(ZipError);
      }
    }
  });
});

/** An archive of deflated files whose entries name these streams; a `crc` of 0 is wrong. */
function archiveOf(streams: readonly Buffer[], entries: readonly { stream: number; crc: number }[]): Buffer {
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50);
  const body = streams.flatMap((stream) => [local, stream]);
  const offsets = streams.map((_, at) => streams.slice(0, at).reduce((sum, one) => sum + 30 + one.length, 0));
  const central = entries.map(({ stream, crc }) => {
    const entry = Buffer.alloc(47, 'f');
    entry.fill(0, 0, 46);
    entry.writeUInt32LE(0x02014b50);
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(crc, 16);
    entry.writeUInt32LE(streams[stream]?.length ?? 0, 20);
    entry.writeUInt16LE(1, 28);
    entry.writeUInt32LE(offsets[stream] ?? 0, 42);
    return entry;
  });
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(Buffer.concat(body).length, 16);
  return Buffer.concat([...body, ...central, end]);
}

describe('an archive that is made to take long', () => {
  const mebibyte = Buffer.alloc(1_048_576);
  const all = (count: number, crc: number) => Array.from({ length: count }, (_, stream) => ({ stream, crc }));

  it('is refused when two entries have the same bytes', async () => {
    const shared = archiveOf([deflateRawSync(Buffer.from('one'))], Array(2).fill({ stream: 0, crc: 0 }));
    await expect(readZip(shared)).rejects.toThrow('Files of the archive overlap');
  });

  it('has files that are damaged counted by what they inflate to', async () => {
    const streams = Array<Buffer>(33).fill(deflateRawSync(mebibyte));
    await expect(readZip(archiveOf(streams, all(33, 0)))).rejects.toThrow('larger than 33554432 bytes together');
    expect(await readZip(archiveOf(streams, all(32, 0)))).toHaveLength(32);
  });

  it('has files that are cut off at the bound, or end too early, counted by what they may have inflated to', async () => {
    const larger = deflateRawSync(Buffer.alloc(2 * 1_048_576));
    const broken = deflateRawSync(mebibyte).subarray(0, -4);
    for (const stream of [larger, broken]) {
      const archive = archiveOf(Array<Buffer>(40).fill(stream), all(40, 0));
      await expect(readZip(archive)).rejects.toThrow('larger than 33554432 bytes together');
    }
    const small = archiveOf(Array<Buffer>(1000).fill(Buffer.from([0xff])), all(1000, 0));
    expect(new Set((await readZip(small)).map(({ fault }) => fault))).toEqual(
      new Set(['It is damaged, or larger than it says.']),
    );
  });
});
