import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { execFileSync, spawnSync } from '../../test/support/sync-programs.js';
import { Fernet, FernetError } from './fernet.js';

const key = 'cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=';
const hello = 'gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==';

const hasPython = spawnSync('python3', ['-c', 'import cryptography.fernet']).status === 0;

describe('Fernet', () => {
  it('opens the token of the specification', () => {
    expect(new Fernet([key]).open(hello).toString()).toBe('hello');
    expect(new Fernet([key]).open(Buffer.from(`${hello}\n`)).toString()).toBe('hello');
  });

  it.each([
    [
      'incorrect mac',
      'gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==',
    ],
    ['too short', 'gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA=='],
    [
      'invalid base64',
      '%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==',
    ],
    [
      'payload size not multiple of block size',
      'gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm',
    ],
    [
      'payload padding error',
      'gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==',
    ],
    ['nothing', ''],
  ])('refuses what the specification calls: %s', (_, token) => {
    expect(() => new Fernet([key]).open(token)).toThrow(FernetError);
  });

  it.skipIf(!hasPython)("opens what Python's cryptography has sealed, with whichever key", () => {
    const keys = [1, 2, 3].map(() => `${randomBytes(32).toString('base64url')}=`);
    const script =
      'import sys\nfrom cryptography.fernet import Fernet\nfor i, k in enumerate(sys.argv[1:]): ' +
      'print(Fernet(k.encode()).encrypt(("secret %d " % i * 300).encode()).decode())';
    const tokens = execFileSync('python3', ['-c', script, ...keys], { encoding: 'utf8' })
      .trim()
      .split('\n');
    const fernet = new Fernet(keys);
    expect(tokens.map((token) => fernet.open(token).toString())).toEqual(
      [0, 1, 2].map((i) => `secret ${i} `.repeat(300)),
    );
    expect(() => new Fernet(keys.slice(1)).open(tokens[0] ?? '')).toThrow('None of the Fernet keys opens it.');
  });

  it('refuses an invalid key without repeating it', () => {
    expect(() => new Fernet([key, 'c2hvcnQ='])).toThrow(/^Fernet key 2 is not 32 bytes in base64\.$/);
  });
});
