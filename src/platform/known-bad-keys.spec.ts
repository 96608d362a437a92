import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from './config.js';
import { KnownBadKeys } from './known-bad-keys.js';

describe('BADKEYS_BLOCKLIST_PATH', () => {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'badkeys-'))));
  afterAll(() => rmSync(folder, { recursive: true }));
  const read = (path: string): KnownBadKeys => new KnownBadKeys(loadConfig({ BADKEYS_BLOCKLIST_PATH: path }));

  it('is read when the program starts, which fails for a file that is missing or of another kind', () => {
    const [good, bad] = [join(folder, 'good'), join(folder, 'bad')];
    writeFileSync(good, Buffer.alloc(32, 1));
    writeFileSync(bad, 'not a list');
    expect(read(good).blocklist).toHaveLength(32);
    expect(() => read(bad)).toThrow(`BADKEYS_BLOCKLIST_PATH: ${bad} is not the blocklist.dat of badkeys`);
    expect(() => read(join(folder, 'none'))).toThrow('cannot be read (ENOENT)');
    expect(new KnownBadKeys(loadConfig({})).blocklist).toBeNull();
  });
});
