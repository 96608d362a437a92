import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { DeliveryRequest } from '../../src/plugin-api/destination.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import { openssl, pluginContext, startTestAuthority, type TestAuthority } from '../../test/support/bundles.js';
import { delivery, fileNames, type Layout, LAYOUTS } from '../../test/support/exported.js';
import { pkcs12Export } from '../pkcs12/pkcs12.export.js';
import { filesystem } from './filesystem.destination.js';

let authority: TestAuthority;
let folder: string;
beforeAll(() => {
  authority = startTestAuthority();
});
afterAll(() => authority.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'filesystem-'));
  return () => rmSync(folder, { recursive: true, force: true });
});

const context = (site = {}, signal?: AbortSignal) => pluginContext({ protectedPaths: [], ...site }, signal);
const options = (values: object = {}) => filesystem.options.parse({ path: folder, ...values });
const deliver = async (
  bundle: Bundle,
  { layout, ...values }: { layout?: Layout; [option: string]: unknown } = {},
  ctx = context(),
) => filesystem.deliver(await delivery(bundle, layout), options(values), ctx);
/** Where the bundle goes. */
const placeOf = ({ commonName }: Bundle, layout: Layout): string =>
  filesystem.locate({ bundle: authority.issue(commonName), fileNames: fileNames(commonName, layout) }, options());
const read = (...names: string[]): string => readFileSync(join(folder, ...names), 'utf8');
const modeOf = (...names: string[]): number => statSync(join(folder, ...names)).mode & 0o7777;
const publicKey = (pem: string, command: string[]): string => openssl(command, pem);
const keyMatches = (certificate: string, key: string): boolean =>
  publicKey(certificate, ['x509', '-noout', '-pubkey']) === publicKey(key, ['pkey', '-pubout']);
const fault = (expected: string) => expect.objectContaining({ name: 'PluginError', fault: expected });

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
    const bundle = authority.issue('www.example.test');
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
    await deliver(authority.issue('*.example.test'));
    writeFileSync(join(folder, 'root.pem'), authority.rootPem);
    const at = (name: string): string => join(folder, '_wildcard.example.test', name);
    expect(
      openssl(['verify', '-CAfile', join(folder, 'root.pem'), '-untrusted', at('chain.pem'), at('cert.pem')]),
    ).toContain('OK');
  });

  it('with the mode that was asked for, whatever the umask', async () => {
    const umask = process.umask(0o077);
    try {
      await deliver(authority.issue('a.test'), { path: join(folder, 'deep/down'), mode: '0640' });
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
    const bundle = authority.issue('a.test');
    await deliver(bundle);
    await deliver(bundle, { owner: '4711:4712' });
    expect(statSync(join(folder, 'a.test/privkey.pem'))).toMatchObject({ uid: 4711, gid: 4712 });
  });

  it('nothing when it is already there', async () => {
    const bundle = authority.issue('a.test');
    let reloads = 0;
    const ctx = context({
      runCommand: async () => {
        reloads += 1;
      },
    });
    await deliver(bundle, { reload: 'nginx' }, ctx);
    const before = readlinkSync(join(folder, 'a.test/current'));
    await deliver(bundle, { reload: 'nginx' }, ctx);
    expect({ version: readlinkSync(join(folder, 'a.test/current')), reloads }).toEqual({ version: before, reloads: 1 });
  });

  it.each([
    ['a changed mode', (): void => undefined, { mode: '0640' }],
    ['changed bytes', (): void => writeFileSync(join(folder, 'a.test/cert.pem'), 'x'), {}],
    ['a missing link', (): void => unlinkSync(join(folder, 'a.test/privkey.pem')), {}],
    [
      'a dangling current',
      (): void => rmSync(join(folder, 'a.test', readlinkSync(join(folder, 'a.test/current'))), { recursive: true }),
      {},
    ],
  ])('again after %s', async (_, damage, values) => {
    const bundle = authority.issue('a.test');
    await deliver(bundle);
    damage();
    await deliver(bundle, values);
    expect(keyMatches(read('a.test/cert.pem'), read('a.test/privkey.pem'))).toBe(true);
    expect(modeOf('a.test/privkey.pem')).toBe('mode' in values ? 0o640 : 0o600);
  });

  it('a rotation in one step, and keeps the version before', async () => {
    const [first, second, third] = [1, 2, 3].map(() => authority.issue('a.test')) as [Bundle, Bundle, Bundle];
    for (const bundle of [first, second, third]) await deliver(bundle);
    expect(read('a.test/cert.pem')).toBe(third.chainPem[0]);
    expect(read('a.test/previous/privkey.pem')).toBe(second.privateKeyPem);
    expect(readdirSync(join(folder, 'a.test')).filter((name) => name.startsWith('.'))).toHaveLength(2);
  });

  it('in place of plain files of the same names', async () => {
    writeFileSync(join(folder, 'a.test.pem'), 'old certificate');
    writeFileSync(join(folder, 'a.test.key'), 'old key');
    await deliver(authority.issue('a.test'), { layout: 'nginx' });
    expect(keyMatches(read('a.test.pem'), read('a.test.key'))).toBe(true);
  });
});

describe('filesystem reloads', () => {
  it('after the files have changed', async () => {
    const bundle = authority.issue('a.test');
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
    const bundle = authority.issue('a.test');
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

describe('filesystem refuses', () => {
  it.each([
    ["the program's own folder", ''],
    ['a folder in it', '/certs/deep'],
    ['a folder above it', '/..'],
    ['a link to it', '/../link'],
    ['a folder behind a link to it', '/../link/certs'],
  ])('%s', async (_, suffix) => {
    const own = join(folder, 'own');
    mkdirSync(own);
    symlinkSync(own, join(folder, 'link'));
    await expect(
      deliver(authority.issue('a.test'), { path: join(own, suffix) }, context({ protectedPaths: [own] })),
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
      for (const name of ['root', 'other', 'rooted']) mkdirSync(join(folder, name));
      symlinkSync(join(folder, 'other'), join(folder, 'root/out'));
      symlinkSync(join(folder, 'root'), join(folder, 'in'));
      // The allowed root itself is a link here.
      symlinkSync(join(folder, 'root'), join(folder, 'allowed'));
      const ctx = context({ allowedRoots: [join(folder, 'allowed')] });
      const asked = { path: join(folder, path) };
      const works = [
        () => filesystem.admit?.(options(asked), ctx),
        () => filesystem.check?.(options(asked), ctx),
        () => deliver(authority.issue('a.test'), asked, ctx),
      ];
      for (const work of works) {
        if (isAllowed) await work();
        else await expect(work()).rejects.toThrow(fault('misconfigured'));
      }
      expect(readdirSync(join(folder, 'other'))).toEqual([]);
    });
  });

  it("a store that leads into the program's own folder", async () => {
    const own = join(folder, 'own');
    mkdirSync(own);
    mkdirSync(join(folder, 'certs'));
    symlinkSync(own, join(folder, 'certs/a.test'));
    await expect(
      deliver(authority.issue('a.test'), { path: join(folder, 'certs') }, context({ protectedPaths: [own] })),
    ).rejects.toThrow(fault('misconfigured'));
    expect(readdirSync(own)).toEqual([]);
  });

  it('a delivery without files', async () => {
    await expect(
      filesystem.deliver({ bundle: authority.issue('a.test'), files: [] }, options(), context()),
    ).rejects.toThrow(fault('refused'));
    expect(readdirSync(folder)).toEqual([]);
  });

  it('to replace a "current" that it did not make', async () => {
    mkdirSync(join(folder, 'a.test/releases'), { recursive: true });
    symlinkSync('releases', join(folder, 'a.test/current'));
    await expect(deliver(authority.issue('a.test'))).rejects.toThrow(fault('misconfigured'));
    expect(readlinkSync(join(folder, 'a.test/current'))).toBe('releases');
  });

  it('a folder below a plain file, an unknown owner and a long path', async () => {
    writeFileSync(join(folder, 'file'), '');
    const bundle = authority.issue('a.test');
    await expect(deliver(bundle, { path: join(folder, 'file/certs') })).rejects.toThrow(fault('misconfigured'));
    await expect(deliver(bundle, { owner: 'nobody-of-that-name' })).rejects.toThrow(fault('misconfigured'));
    await expect(deliver(bundle, { path: join(folder, 'x'.repeat(300)) })).rejects.toThrow(fault('misconfigured'));
  });

  it('to start once it has been aborted', async () => {
    await expect(deliver(authority.issue('a.test'), {}, context({}, AbortSignal.abort()))).rejects.toThrow(
      fault('unavailable'),
    );
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('filesystem removes', () => {
  it.each(LAYOUTS)('everything that it created as %s, and nothing else', async (layout) => {
    const bundles = [authority.issue('a.test'), authority.issue('a.test'), authority.issue('b.test')];
    for (const bundle of bundles) await deliver(bundle, { layout });
    const location = placeOf(bundles[0] as Bundle, layout);
    const kept = readdirSync(folder, { recursive: true }).filter((name) => String(name).includes('b.test'));
    writeFileSync(join(folder, 'a.test.txt'), 'not ours');
    const removal = { location, bundle: bundles[1] as Bundle, files: [] };
    await filesystem.remove?.(removal, options(), context());
    expect(readdirSync(folder, { recursive: true }).sort()).toEqual([...kept, 'a.test.txt'].sort());
    await filesystem.remove?.(removal, options(), context());
  });

  it.each(LAYOUTS)(
    'only the previous version and its key after another certificate was delivered, as %s',
    async (layout) => {
      const [old, next] = [authority.issue('a.test'), authority.issue('a.test')];
      const location = placeOf(old, layout);
      const texts = () =>
        readdirSync(folder, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
      for (const bundle of [old, next]) await deliver(bundle, { layout });
      expect(texts().join('')).toContain(old.privateKeyPem.trim());
      for (let time = 0; time < 2; time += 1) {
        await filesystem.remove?.({ location, bundle: old, files: [] }, options(), context());
        expect(texts().join('')).not.toContain(old.privateKeyPem.trim());
        expect(texts().join('')).toContain(next.privateKeyPem.trim());
      }
      await deliver(authority.issue('a.test'), { layout });
      await filesystem.remove?.({ location, bundle: old, files: [] }, options(), context());
      expect(texts().join('')).toContain(next.privateKeyPem.trim());
    },
  );

  it('neither foreign files nor a foreign location', async () => {
    mkdirSync(join(folder, 'a.test'));
    writeFileSync(join(folder, 'a.test/privkey.pem'), 'of somebody else');
    const bundle = authority.issue('a.test');
    await filesystem.remove?.({ location: join(folder, 'a.test'), bundle, files: [] }, options(), context());
    expect(read('a.test/privkey.pem')).toBe('of somebody else');
    for (const location of ['/etc/ssl', folder, join(folder, '..'), join(folder, 'a/b'), join(folder, '.a')]) {
      await expect(filesystem.remove?.({ location, bundle, files: [] }, options(), context())).rejects.toThrow(
        fault('misconfigured'),
      );
    }
  });
});

describe('filesystem with encrypted files', () => {
  const p12 = async (bundle: Bundle): Promise<DeliveryRequest> => {
    const [request, o] = [{ bundle, stem: 'a.test' }, pkcs12Export.options.parse({ passphrase: 'a passphrase' })];
    return { bundle, files: (await pkcs12Export.export(request, o, context())).files };
  };

  it('removes exactly the certificate that they hold, and knows a successor from it', async () => {
    const [old, next] = [authority.issue('a.test'), authority.issue('a.test')];
    for (const bundle of [old, next]) await filesystem.deliver(await p12(bundle), options(), context());
    const removal = { location: join(folder, 'a.test.p12'), files: [] };
    await filesystem.remove?.({ ...removal, bundle: old }, options(), context());
    expect(readdirSync(join(folder, '.a.test.p12.d')).sort()).toEqual([
      expect.stringMatching(/^\.version-/),
      'current',
    ]);
    expect(openssl(['pkcs12', '-in', join(folder, 'a.test.p12'), '-passin', 'pass:a passphrase', '-nokeys'])).toContain(
      next.chainPem[0]?.trim(),
    );
    await filesystem.remove?.({ ...removal, bundle: next }, options(), context());
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('filesystem verifies', () => {
  it.each(LAYOUTS)('what is delivered, changed and gone, as %s', async (layout) => {
    const bundle = authority.issue('a.test');
    const { files } = await delivery(bundle, layout);
    const { location } = await deliver(bundle, { layout });
    const delivered = files.map(({ name, bytes }) => ({
      name,
      sha256Hex: createHash('sha256').update(bytes).digest('hex'),
    }));
    const verdict = (known = delivered) =>
      filesystem.verify?.({ location, bundle, files: known }, options(), context());
    expect([await verdict(), await verdict([])]).toEqual([{ state: 'same' }, { state: 'same' }]);
    await deliver(authority.issue('a.test'), { layout });
    expect([await verdict(), await verdict([])]).toEqual([
      { state: 'different', detail: expect.stringContaining(folder) },
      { state: 'different', detail: expect.stringContaining(folder) },
    ]);
    await deliver(bundle, { layout });
    const [main = ''] = fileNames('a.test', layout);
    writeFileSync(join(folder, main), 'edited by hand');
    expect(await verdict()).toMatchObject({ state: 'different' });
    unlinkSync(join(folder, main));
    expect(await verdict()).toEqual({ state: 'missing' });
    rmSync(location, { recursive: true, force: true });
    rmSync(join(folder, `.${main}.d`), { recursive: true, force: true });
    expect(await verdict([])).toEqual({ state: 'missing' });
  });
});

describe('the check of filesystem', () => {
  it('passes for a folder that can be made, and leaves nothing behind', async () => {
    await filesystem.check?.(options({ path: join(folder, 'not/yet/there') }), context());
    expect(readdirSync(folder)).toEqual([]);
  });

  it('fails below a plain file', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(filesystem.check?.(options({ path: join(folder, 'file') }), context())).rejects.toThrow(
      fault('misconfigured'),
    );
  });
});
