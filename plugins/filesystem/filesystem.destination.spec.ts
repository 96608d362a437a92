import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { DeliveryRequest } from '../../src/plugin-api/destination.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import { openssl } from '../../test/support/bundles.js';
import { delivery, fileNames, LAYOUTS } from '../../test/support/exported.js';
import { fault, filesystemBench } from '../../test/support/filesystem-bench.js';
import { pkcs12Export } from '../pkcs12/pkcs12.export.js';
import { filesystem } from './filesystem.destination.js';

const bench = filesystemBench();
const { context, options, deliver, placeOf } = bench;
const read = (...names: string[]): string => readFileSync(join(bench.folder, ...names), 'utf8');
const modeOf = (...names: string[]): number => statSync(join(bench.folder, ...names)).mode & 0o7777;
const publicKey = (pem: string, command: string[]): string => openssl(command, pem);
const keyMatches = (certificate: string, key: string): boolean =>
  publicKey(certificate, ['x509', '-noout', '-pubkey']) === publicKey(key, ['pkey', '-pubout']);

describe('the options of filesystem', () => {
  it.each(['relative', '', '/a/../b', '/..', '/a/..', '/a\0b', '/a\n/../b'])('refuse the folder %j', (path) => {
    expect(filesystem.options.safeParse({ path }).success).toBe(false);
  });

  it.each(['0644', '0777', '600 ', '0606', '0200', '999'])('refuse the mode %j', (mode) => {
    expect(filesystem.options.safeParse({ path: '/a', mode }).success).toBe(false);
  });

  it('accept what is usual', () => {
    expect(filesystem.options.parse({ path: '/etc/ssl..d/x', mode: '0640', owner: 'www-data:ssl-cert' })).toMatchObject(
      { mode: '0640' },
    );
  });
});

describe('filesystem delivers', () => {
  it.each(LAYOUTS)('key and certificate that openssl finds to belong together, as %s', async (layout) => {
    const bundle = bench.authority.issue('www.example.test');
    const { location } = await deliver(bundle, { layout });
    expect(location).toBe(placeOf(bundle, layout));
    const [certificate, key] = {
      directory: ['www.example.test/fullchain.pem', 'www.example.test/privkey.pem'],
      combined: ['www.example.test.pem', 'www.example.test.pem'],
      nginx: ['www.example.test.pem', 'www.example.test.key'],
      apache: ['www.example.test.crt', 'www.example.test.key'],
    }[layout] as [string, string];
    expect(keyMatches(read(certificate), read(key))).toBe(true);
    expect(modeOf(key)).toBe(0o600);
    expect(modeOf(certificate)).toBe(layout === 'combined' ? 0o600 : 0o644);
  });

  it('a chain that openssl verifies up to the root', async () => {
    await deliver(bench.authority.issue('*.example.test'));
    writeFileSync(join(bench.folder, 'root.pem'), bench.authority.rootPem);
    const at = (name: string): string => join(bench.folder, '_wildcard.example.test', name);
    expect(
      openssl(['verify', '-CAfile', join(bench.folder, 'root.pem'), '-untrusted', at('chain.pem'), at('cert.pem')]),
    ).toContain('OK');
  });

  it('with the mode that was asked for, whatever the umask', async () => {
    const umask = process.umask(0o077);
    try {
      await deliver(bench.authority.issue('a.test'), { path: join(bench.folder, 'deep/down'), mode: '0640' });
    } finally {
      process.umask(umask);
    }
    expect(['privkey.pem', 'fullchain.pem', ''].map((name) => modeOf('deep/down/a.test', name).toString(8))).toEqual([
      '640',
      '644',
      '755',
    ]);
  });

  it.runIf(process.getuid?.() === 0)('to the owner that was asked for', async () => {
    const bundle = bench.authority.issue('a.test');
    await deliver(bundle);
    await deliver(bundle, { owner: '4711:4712' });
    expect(statSync(join(bench.folder, 'a.test/privkey.pem'))).toMatchObject({ uid: 4711, gid: 4712 });
  });

  it('nothing when it is already there', async () => {
    const bundle = bench.authority.issue('a.test');
    let reloads = 0;
    const ctx = context({
      runCommand: async () => {
        reloads += 1;
      },
    });
    await deliver(bundle, { reload: 'nginx' }, ctx);
    const before = readlinkSync(join(bench.folder, 'a.test/current'));
    await deliver(bundle, { reload: 'nginx' }, ctx);
    expect({ version: readlinkSync(join(bench.folder, 'a.test/current')), reloads }).toEqual({
      version: before,
      reloads: 1,
    });
  });

  it.each([
    ['a changed mode', (): void => undefined, { mode: '0640' }],
    ['changed bytes', (): void => writeFileSync(join(bench.folder, 'a.test/cert.pem'), 'x'), {}],
    ['a missing link', (): void => unlinkSync(join(bench.folder, 'a.test/privkey.pem')), {}],
    [
      'a dangling current',
      (): void =>
        rmSync(join(bench.folder, 'a.test', readlinkSync(join(bench.folder, 'a.test/current'))), { recursive: true }),
      {},
    ],
  ])('again after %s', async (_, damage, values) => {
    const bundle = bench.authority.issue('a.test');
    await deliver(bundle);
    damage();
    await deliver(bundle, values);
    expect(keyMatches(read('a.test/cert.pem'), read('a.test/privkey.pem'))).toBe(true);
    expect(modeOf('a.test/privkey.pem')).toBe('mode' in values ? 0o640 : 0o600);
  });

  it('a rotation in one step, and keeps the version before', async () => {
    const [first, second, third] = [1, 2, 3].map(() => bench.authority.issue('a.test')) as [Bundle, Bundle, Bundle];
    for (const bundle of [first, second, third]) await deliver(bundle);
    expect(read('a.test/cert.pem')).toBe(third.chainPem[0]);
    expect(read('a.test/previous/privkey.pem')).toBe(second.privateKeyPem);
    expect(readdirSync(join(bench.folder, 'a.test')).filter((name) => name.startsWith('.'))).toHaveLength(2);
  });

  it('in place of plain files of the same names', async () => {
    writeFileSync(join(bench.folder, 'a.test.pem'), 'old certificate');
    writeFileSync(join(bench.folder, 'a.test.key'), 'old key');
    await deliver(bench.authority.issue('a.test'), { layout: 'nginx' });
    expect(keyMatches(read('a.test.pem'), read('a.test.key'))).toBe(true);
  });
});

describe('filesystem reloads', () => {
  it('after the files have changed', async () => {
    const bundle = bench.authority.issue('a.test');
    const seen: string[] = [];
    await deliver(
      bundle,
      { reload: 'nginx' },
      context({
        runCommand: async (name: string) => {
          seen.push(name, read('a.test/cert.pem'));
        },
      }),
    );
    expect(seen).toEqual(['nginx', bundle.chainPem[0]]);
  });

  it('again when the reload failed or the run ended before it, and then no more', async () => {
    const bundle = bench.authority.issue('a.test');
    const failing = context({
      runCommand: async () => {
        throw new PluginError('unavailable', 'nginx: no');
      },
    });
    await expect(deliver(bundle, { reload: 'nginx' }, failing)).rejects.toThrow('nginx: no');
    let reloads = 0;
    const working = context({
      runCommand: async () => {
        reloads += 1;
      },
    });
    await deliver(bundle, { reload: 'nginx' }, working);
    await deliver(bundle, { reload: 'nginx' }, working);
    expect(reloads).toBe(1);
  });
});

describe('filesystem removes', () => {
  it.each(LAYOUTS)('everything that it created as %s, and nothing else', async (layout) => {
    const bundles = [bench.authority.issue('a.test'), bench.authority.issue('a.test'), bench.authority.issue('b.test')];
    for (const bundle of bundles) await deliver(bundle, { layout });
    const location = placeOf(bundles[0] as Bundle, layout);
    const kept = readdirSync(bench.folder, { recursive: true }).filter((name) => String(name).includes('b.test'));
    writeFileSync(join(bench.folder, 'a.test.txt'), 'not ours');
    const removal = { location, bundle: bundles[1] as Bundle, files: [], round: '1.1' };
    await filesystem.remove?.(removal, options(), context());
    expect(readdirSync(bench.folder, { recursive: true }).sort()).toEqual([...kept, 'a.test.txt'].sort());
    await filesystem.remove?.(removal, options(), context());
  });

  it.each(LAYOUTS)(
    'only the previous version and its key after another certificate was delivered, as %s',
    async (layout) => {
      const [old, next] = [bench.authority.issue('a.test'), bench.authority.issue('a.test')];
      const location = placeOf(old, layout);
      const texts = () =>
        readdirSync(bench.folder, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
      for (const bundle of [old, next]) await deliver(bundle, { layout });
      expect(texts().join('')).toContain(old.privateKeyPem.trim());
      for (let time = 0; time < 2; time += 1) {
        await filesystem.remove?.({ location, bundle: old, files: [], round: '1.1' }, options(), context());
        expect(texts().join('')).not.toContain(old.privateKeyPem.trim());
        expect(texts().join('')).toContain(next.privateKeyPem.trim());
      }
      await deliver(bench.authority.issue('a.test'), { layout });
      await filesystem.remove?.({ location, bundle: old, files: [], round: '1.1' }, options(), context());
      expect(texts().join('')).toContain(next.privateKeyPem.trim());
    },
  );

  it('neither foreign files nor a foreign location', async () => {
    mkdirSync(join(bench.folder, 'a.test'));
    writeFileSync(join(bench.folder, 'a.test/privkey.pem'), 'of somebody else');
    const bundle = bench.authority.issue('a.test');
    await filesystem.remove?.(
      { location: join(bench.folder, 'a.test'), bundle, files: [], round: '1.1' },
      options(),
      context(),
    );
    expect(read('a.test/privkey.pem')).toBe('of somebody else');
    for (const location of [
      '/etc/ssl',
      bench.folder,
      join(bench.folder, '..'),
      join(bench.folder, 'a/b'),
      join(bench.folder, '.a'),
    ]) {
      await expect(
        filesystem.remove?.({ location, bundle, files: [], round: '1.1' }, options(), context()),
      ).rejects.toThrow(fault('misconfigured'));
    }
  });
});

describe('filesystem with encrypted files', () => {
  const p12 = async (bundle: Bundle): Promise<DeliveryRequest> => {
    const [request, o] = [{ bundle, stem: 'a.test' }, pkcs12Export.options.parse({ passphrase: 'a passphrase' })];
    return { bundle, files: (await pkcs12Export.export(request, o, context())).files, round: '1.1' };
  };

  it('removes exactly the certificate that they hold, and knows a successor from it', async () => {
    const [old, next] = [bench.authority.issue('a.test'), bench.authority.issue('a.test')];
    for (const bundle of [old, next]) await filesystem.deliver(await p12(bundle), options(), context());
    const removal = { location: join(bench.folder, 'a.test.p12'), files: [], round: '1.1' };
    await filesystem.remove?.({ ...removal, bundle: old }, options(), context());
    expect(readdirSync(join(bench.folder, '.a.test.p12.d')).sort()).toEqual([
      expect.stringMatching(/^\.version-/),
      'current',
    ]);
    expect(
      openssl(['pkcs12', '-in', join(bench.folder, 'a.test.p12'), '-passin', 'pass:a passphrase', '-nokeys']),
    ).toContain(next.chainPem[0]?.trim());
    await filesystem.remove?.({ ...removal, bundle: next }, options(), context());
    expect(readdirSync(bench.folder)).toEqual([]);
  });
});

describe('filesystem verifies', () => {
  it.each(LAYOUTS)('what is delivered, changed and gone, as %s', async (layout) => {
    const bundle = bench.authority.issue('a.test');
    const { files } = await delivery(bundle, layout);
    const { location } = await deliver(bundle, { layout });
    const delivered = files.map(({ name, bytes, mode }) => ({
      name,
      mode,
      sha256Hex: createHash('sha256').update(bytes).digest('hex'),
    }));
    const verdict = (known = delivered) =>
      filesystem.verify?.({ location, bundle, files: known, round: '1.1' }, options(), context());
    expect([await verdict(), await verdict([])]).toEqual([{ state: 'same' }, { state: 'same' }]);
    await deliver(bench.authority.issue('a.test'), { layout });
    expect([await verdict(), await verdict([])]).toEqual([
      { state: 'different', detail: expect.stringContaining(bench.folder) },
      { state: 'different', detail: expect.stringContaining(bench.folder) },
    ]);
    await deliver(bundle, { layout });
    const [main = ''] = fileNames('a.test', layout);
    for (const { name, mode } of delivered) {
      chmodSync(join(bench.folder, name), mode === 0o600 ? 0o640 : 0o666);
      expect(await verdict()).toMatchObject({
        state: 'different',
        detail: expect.stringContaining(' has the mode 06'),
      });
      chmodSync(join(bench.folder, name), mode);
    }
    expect(await verdict()).toEqual({ state: 'same' });
    writeFileSync(join(bench.folder, main), 'edited by hand');
    expect(await verdict()).toMatchObject({ state: 'different' });
    unlinkSync(join(bench.folder, main));
    expect(await verdict()).toEqual({ state: 'missing' });
    rmSync(location, { recursive: true, force: true });
    rmSync(join(bench.folder, `.${main}.d`), { recursive: true, force: true });
    expect(await verdict([])).toEqual({ state: 'missing' });
  });
});

describe('the check of filesystem', () => {
  it('passes for a folder that can be made, and leaves nothing behind', async () => {
    await filesystem.check?.(options({ path: join(bench.folder, 'not/yet/there') }), context());
    expect(readdirSync(bench.folder)).toEqual([]);
  });

  it('fails below a plain file', async () => {
    writeFileSync(join(bench.folder, 'file'), '');
    await expect(filesystem.check?.(options({ path: join(bench.folder, 'file') }), context())).rejects.toThrow(
      fault('misconfigured'),
    );
  });
});
