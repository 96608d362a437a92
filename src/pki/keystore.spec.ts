import { createDecipheriv, pbkdf2Sync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { execFileSync } from '../../test/support/sync-programs.js';
import { writeJks } from './jks.js';
import { generatePassphrase, PRINTABLE_ASCII, utf16be, withJavaAliases } from './keystore.js';
import { writePkcs12TrustStore } from './pkcs12.js';
import { pkcs12Kdf, PURPOSE } from './pkcs12-kdf.js';
import { pbes2Encrypt } from './pkcs8.js';

const CLASH = ['Entry', 'eNTRY'].map((alias) => ({ alias, certificateDer: Buffer.from([0x30, 0x00]) }));

describe('aliases', () => {
  it('are in lower case', () => {
    expect(withJavaAliases([{ alias: 'WWW.Example.test', more: 1 }])).toEqual([{ alias: 'www.example.test', more: 1 }]);
  });

  it('are refused by every writer if they differ in case only', async () => {
    expect(() => writeJks(CLASH, 'password', new Date(0))).toThrow(RangeError);
    await expect(writePkcs12TrustStore(CLASH, 'password')).rejects.toThrow(RangeError);
  });
});

describe('generatePassphrase', () => {
  it('is accepted by every store', () => {
    expect(generatePassphrase()).toMatch(PRINTABLE_ASCII);
    expect(generatePassphrase().length).toBeGreaterThanOrEqual(8);
    expect(generatePassphrase()).not.toBe(generatePassphrase());
  });
});

describe('pkcs12Kdf', () => {
  const byOpenssl = (
    purpose: number,
    { digest, password, salt, iterations }: Parameters<typeof pkcs12Kdf>[1],
    length: number,
  ) => {
    const inputs = [
      `digest:${digest}`,
      `hexpass:${utf16be(`${password}\0`).toString('hex')}`,
      `hexsalt:${salt.toString('hex')}`,
      `iter:${iterations}`,
      `id:${purpose}`,
    ];
    const args = [
      'kdf',
      '-keylen',
      String(length),
      '-binary',
      ...inputs.flatMap((input) => ['-kdfopt', input]),
      'PKCS12KDF',
    ];
    return execFileSync('openssl', args).toString('hex');
  };

  // Long passwords and salts fill several blocks; long outputs exercise the carry between them.
  it.each([
    { digest: 'sha1', password: 'smeg', salt: Buffer.alloc(8, 0xff), iterations: 1 },
    { digest: 'sha1', password: 'p'.repeat(128), salt: Buffer.alloc(20, 0xfe), iterations: 2_048 },
    { digest: 'sha256', password: 'q'.repeat(33), salt: Buffer.alloc(70, 0xff), iterations: 1_001 },
  ] as const)('agrees with openssl on $digest over $iterations rounds', async (secret) => {
    for (const purpose of Object.values(PURPOSE)) {
      for (const length of [8, 24, 200]) {
        expect((await pkcs12Kdf(purpose, secret, length)).toString('hex')).toBe(byOpenssl(purpose, secret, length));
      }
    }
  });

  it('yields to the event loop between rounds', async () => {
    let turns = 0;
    let running = true;
    const count = () => {
      if (running) {
        turns++;
        setImmediate(count);
      }
    };
    setImmediate(count);
    await pkcs12Kdf(
      PURPOSE.mac,
      { digest: 'sha256', password: 'password', salt: Buffer.alloc(20), iterations: 100_000 },
      32,
    );
    running = false;
    expect(turns).toBeGreaterThan(90);
  });
});

describe('pbes2Encrypt', () => {
  it('generates a fresh salt and IV each time, and writes them into the parameters', async () => {
    const plain = Buffer.from('a private key');
    const [first, second] = await Promise.all([
      pbes2Encrypt(plain, 'password', 1_000),
      pbes2Encrypt(plain, 'password', 1_000),
    ]);
    expect(first.ciphertext).not.toEqual(second.ciphertext);
    const [salt, iv] = [...first.algorithm.toString('hex').matchAll(/0410([0-9a-f]{32})/g)].map(([, hex]) =>
      Buffer.from(hex ?? '', 'hex'),
    );
    const decipher = createDecipheriv('aes-256-cbc', pbkdf2Sync('password', salt ?? '', 1_000, 32, 'sha256'), iv ?? '');
    expect(Buffer.concat([decipher.update(first.ciphertext), decipher.final()])).toEqual(plain);
  });
});
