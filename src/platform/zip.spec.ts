import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
  it.each(['-0', '-9'])('is read with its files as they are, with %s', (level) => {
    put('a/b/one.pem', 'one'.repeat(1000));
    put('empty.pem', '');
    expect(readZip(zip(level, '-r', 'a', 'empty.pem', '-z'))).toEqual([
      { path: 'a/b/one.pem', bytes: Buffer.from('one'.repeat(1000)) },
      { path: 'empty.pem', bytes: Buffer.alloc(0) },
    ]);
  });

  it('has a fault for each file that is damaged, encrypted or too large, and the others', () => {
    put('large.pem', Buffer.alloc(1_048_577));
    put('good.pem', 'good');
    put('bad.pem', 'bad'.repeat(100));
    zip('-0', 'large.pem', 'good.pem', 'bad.pem');
    put('locked.pem', 'locked');
    const archive = zip('-P', 'secret', 'locked.pem');
    archive.write('x', archive.indexOf('badbad'));
    expect(readZip(archive)).toEqual([
      { path: 'large.pem', fault: 'It is larger than 1048576 bytes.' },
      { path: 'good.pem', bytes: Buffer.from('good') },
      { path: 'bad.pem', fault: 'It is damaged.' },
      { path: 'locked.pem', fault: 'It is encrypted.' },
    ]);
  });

  it('that inflates to more than it says is a fault', () => {
    put('bomb.pem', Buffer.alloc(4 * 1_048_576));
    const archive = zip('-9', 'bomb.pem');
    const entry = archive.lastIndexOf(Buffer.from('PK\x01\x02'));
    archive.writeUInt32LE(10, entry + 24);
    expect(readZip(archive)).toEqual([{ path: 'bomb.pem', fault: 'It is damaged, or larger than it says.' }]);
  });

  it('is refused as a whole when its files are too many, or too large together', () => {
    for (let n = 0; n < 33; n += 1) put(`f${n}`, Buffer.alloc(1_048_576));
    expect(() => readZip(zip('-r', '.'))).toThrow('larger than 33554432 bytes together');
    rmSync(join(folder, 'out.zip'));
    for (let n = 0; n < 2001; n += 1) put(`a/b/${n}`, '');
    expect(() => readZip(zip('-r', 'a'))).toThrow('more than 2000 files');
  });

  it('that was cut off or changed anywhere throws nothing but ZipError', () => {
    put('one.pem', 'one');
    const archive = zip('one.pem');
    for (let length = 0; length < archive.length; length += 1)
      expect(() => readZip(archive.subarray(0, length))).toThrow(ZipError);
    for (let at = 0; at < archive.length; at += 1) {
      const changed = Buffer.from(archive);
      changed[at] = 0xff;
      try {
        readZip(changed);
      } catch (error) {
        expect(error).toBeInstanceOf(ZipError);
      }
    }
  });
});
