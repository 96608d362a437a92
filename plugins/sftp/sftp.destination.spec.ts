import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DeliveredFile } from '../../src/plugin-api/destination.js';
import type { Bundle, ExportedFile } from '../../src/plugin-api/export.js';
import { startTestAuthority } from '../../test/support/bundles.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { networkContext } from '../../test/support/signing-ca.js';
import { startPasswordServer } from '../../test/support/ssh-password-server.js';
import { startSshd, type TestSshd } from '../../test/support/sshd.js';
import { sftp } from './sftp.destination.js';

const authority = startTestAuthority();
let server: TestSshd;
let folder: string;
let round = 0;
beforeAll(async () => {
  server = await startSshd();
});
afterAll(async () => {
  await server.remove();
  authority.close();
});
beforeEach(() => {
  server.thaw();
  folder = join(server.files, `round ${++round}`);
  mkdirSync(folder);
});

type Values = Record<string, unknown>;
const given = (changed: Values = {}): Values => ({
  host: '127.0.0.1',
  port: server.port,
  hostKeys: server.hostKeyLines['ed25519'],
  user: server.user,
  privateKey: server.key,
  folder,
  timeoutS: 60,
  ...changed,
});
const options = (changed: Values = {}) => sftp.options.parse(given(changed));
const issue = (): Required<Omit<Bundle, 'rootPem'>> => authority.issue('www.example.com');
/** Certificate and key in two files, as the export `pem-files` makes them. */
const filesOf = ({ chainPem, privateKeyPem = '' }: Bundle, stem = 'www.example.com'): ExportedFile[] => [
  { name: `${stem}.pem`, bytes: Buffer.from(chainPem.join('')), mode: 0o644 },
  { name: `${stem}.key`, bytes: Buffer.from(privateKeyPem), mode: 0o600 },
];
/** A format that shows no certificate, in other octets each time. */
let exports = 0;
const opaque = ({ chainPem }: Bundle): ExportedFile[] => [
  {
    name: 'www.p12',
    bytes: Buffer.from(`${++exports} ${Buffer.from(chainPem[0] ?? '').toString('hex')}`),
    mode: 0o600,
  },
];
const digests = (files: readonly ExportedFile[]): DeliveredFile[] =>
  files.map(({ name, bytes, mode }) => ({ name, sha256Hex: createHash('sha256').update(bytes).digest('hex'), mode }));
const deliver = (bundle: Bundle, changed: Values = {}, files = filesOf(bundle)) =>
  sftp.deliver({ bundle, files, round: '1.1' }, options(changed), networkContext());
const placed = (bundle: Bundle, files: readonly ExportedFile[] = filesOf(bundle)) => ({
  bundle: { ...bundle, privateKeyPem: undefined },
  location: sftp.locate({ bundle, fileNames: [files[0]?.name ?? 'www.example.com.pem'] }, options()),
  files: digests(files),
  round: '1.1',
});
const verify = (bundle: Bundle, files?: readonly ExportedFile[]) =>
  sftp.verify?.(placed(bundle, files), options(), networkContext());
const remove = async (bundle: Bundle, files?: readonly ExportedFile[]): Promise<void> =>
  sftp.remove?.(placed(bundle, files), options(), networkContext());
const check = async (changed: Values = {}): Promise<void> => sftp.check?.(options(changed), networkContext());
const text = (name: string): string => readFileSync(join(folder, name), 'utf8');
const modeOf = (name: string): number => statSync(join(folder, name)).mode & 0o7777;
const seen = (): string[] => readdirSync(folder).filter((name) => !name.startsWith('.'));

describe('the options of sftp', () => {
  it.each([
    ['neither password nor key', { privateKey: undefined }],
    ['a key whose passphrase is missing', { privateKey: () => server.encryptedKey }],
    ['a key with a wrong passphrase', { privateKey: () => server.encryptedKey, passphrase: 'Marker-wrong' }],
    ['a jump host without its host keys', { jumpHost: 'jump.example.com' }],
  ])('are not admitted with %s', async (_, changed) => {
    const values = Object.entries(changed).map(([name, value]) => [
      name,
      typeof value === 'function' ? value() : value,
    ]);
    const admitted = sftp.admit?.(options(Object.fromEntries(values) as Values), networkContext());
    expect((await failureOf(admitted ?? Promise.resolve(), ['Marker-wrong'])).fault).toBe('misconfigured');
  });
});

describe('sftp delivers', () => {
  it('files with their modes, and a successor in their place', async () => {
    for (const bundle of [issue(), issue()]) {
      const { location } = await deliver(bundle);
      expect(location).toBe(`${folder}/www.example.com.pem at 127.0.0.1:${server.port}`);
      expect(text('www.example.com.pem')).toBe(bundle.chainPem.join(''));
      expect(text('www.example.com.key')).toBe(bundle.privateKeyPem);
      expect([modeOf('www.example.com.pem'), modeOf('www.example.com.key')]).toEqual([0o644, 0o600]);
    }
    expect(readdirSync(folder).filter((name) => name.includes('new'))).toEqual([]);
  });

  it('the mode and the owner of the options', async () => {
    const { uid, gid } = statSync(folder);
    await deliver(issue(), { mode: '0640', owner: `${uid}:${gid}` });
    expect([modeOf('www.example.com.pem'), modeOf('www.example.com.key')]).toEqual([0o644, 0o640]);
  });

  it('nothing when it is already there, and again what another has changed', async () => {
    const bundle = issue();
    await deliver(bundle);
    const inode = (): number => statSync(join(folder, 'www.example.com.key')).ino;
    const first = inode();
    await deliver(bundle);
    expect(inode()).toBe(first);
    chmodSync(join(folder, 'www.example.com.key'), 0o644);
    await deliver(bundle);
    expect(modeOf('www.example.com.key')).toBe(0o600);
  });

  it('to the folder of one certificate, and makes the folders where that is allowed', async () => {
    const bundle = issue();
    const files = filesOf(bundle, 'www.example.com/cert');
    const deeper = { folder: `${folder}/deep/er` };
    expect((await failureOf(deliver(bundle, deeper, files))).detail).toContain('Create it, or allow that.');
    await deliver(bundle, { ...deeper, createFolder: true }, files);
    expect(text('deep/er/www.example.com/cert.key')).toBe(bundle.privateKeyPem);
  });

  it('in place of a link that somebody put at the name of its new file, and leaves the target alone', async () => {
    const target = join(server.files, 'target');
    writeFileSync(target, 'untouched');
    symlinkSync(target, join(folder, '.www.example.com.key.perennial-new'));
    const bundle = issue();
    await deliver(bundle);
    expect([readFileSync(target, 'utf8'), text('www.example.com.key')]).toEqual(['untouched', bundle.privateKeyPem]);
  });

  it('nothing when one of its files cannot be written, and leaves no file behind', async () => {
    const before = issue();
    await deliver(before);
    const after = issue();
    const files = [...filesOf(after), { name: 'no/such/folder', bytes: Buffer.from('x'), mode: 0o600 }];
    expect((await failureOf(deliver(after, {}, files))).fault).toBe('misconfigured');
    expect(text('www.example.com.pem')).toBe(before.chainPem.join(''));
    expect(readdirSync(folder).filter((name) => name.includes('new'))).toEqual([]);
  });
});

describe('the sign-in of sftp', () => {
  it('takes an encrypted key', async () => {
    await check({ privateKey: server.encryptedKey, passphrase: server.passphrase });
  });

  it('is refused for another key, and says whose it is', async () => {
    const other = await startSshd();
    await other.remove();
    const error = await failureOf(check({ privateKey: other.key }), [other.key]);
    expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining(`user ${server.user}`)]);
  });

  it('gives a server nothing whose host key has changed', async () => {
    await check({ hostKeys: server.hostKeyLines['ecdsa'] });
    const other = await startSshd();
    const changed = other.hostKeyLines['ed25519']?.replace(`:${other.port}`, `:${server.port}`);
    await other.remove();
    const error = await failureOf(deliver(issue(), { hostKeys: changed }));
    expect([error.fault, error.detail]).toEqual([
      'misconfigured',
      expect.stringMatching(/shows the host key SHA256:\S+, which is not among the host keys/),
    ]);
    expect(seen()).toEqual([]);
  });

  it.each(['password', 'keyboard-interactive'] as const)('gives a server its password by %s', async (method) => {
    const asked = await startPasswordServer(method, 'Marker-password-4f6e');
    const { port, hostKeys } = asked;
    const signIn = { port, hostKeys, privateKey: undefined };
    // That server has no SFTP, which it says only to whom it has let in.
    const inside = await failureOf(check({ ...signIn, password: 'Marker-password-4f6e' }), ['Marker-password']);
    expect(inside.detail).toBe('The server offers no SFTP to this account.');
    const wrong = await failureOf(check({ ...signIn, password: 'Marker-wrong-4f6e' }), ['Marker-wrong']);
    expect([wrong.fault, wrong.detail]).toEqual(['misconfigured', expect.stringContaining('does not accept the user')]);
    asked.stop();
  });

  it('goes through a jump host, whose key must be known too', async () => {
    const jump = await startSshd();
    const via = { jumpHost: '127.0.0.1', jumpPort: jump.port, privateKey: server.key };
    const jumpHostKeys = jump.hostKeyLines['ed25519'];
    jump.accept(server);
    const bundle = issue();
    await deliver(bundle, { ...via, jumpHostKeys });
    expect(text('www.example.com.key')).toBe(bundle.privateKeyPem);
    const unknown = check({ ...via, jumpHostKeys: jumpHostKeys?.replace(`:${jump.port}`, ':1') });
    expect((await failureOf(unknown)).detail).toContain(`127.0.0.1:${jump.port} shows the host key`);
    await jump.remove();
  });

  it('fails as a passing fault when the server hangs or is gone', async () => {
    server.freeze();
    const hanging = await failureOf(deliver(issue(), { timeoutS: 1 }));
    server.thaw();
    expect([hanging.fault, hanging.detail]).toEqual(['unavailable', expect.stringContaining('did not answer in time')]);
    expect((await failureOf(deliver(issue(), { port: 1, hostKeys: server.hostKeyLines['ed25519'] }))).fault).toBe(
      'unavailable',
    );
  });
});

describe('the command of sftp', () => {
  const log = (): string[] => (existsSync(join(folder, 'log')) ? text('log').trim().split('\n') : []);
  const command = 'echo {commonName} {file} {folder} >> {folder}/log';

  it('runs once after each change, with quoted values', async () => {
    const bundle = { ...issue(), commonName: "it's $(touch x) `y`" };
    await deliver(bundle, { command });
    await deliver(bundle, { command });
    expect(log()).toEqual([`${bundle.commonName} ${folder}/www.example.com.pem ${folder}`]);
    await deliver(issue(), { command });
    expect(log()).toHaveLength(2);
  });

  it('fails the delivery with its words, and runs again until it succeeds', async () => {
    const bundle = issue();
    const failing = 'test -e {folder}/ready || { echo no config >&2; exit 7; }; echo ran >> {folder}/log';
    const error = await failureOf(deliver(bundle, { command: failing }));
    expect([error.fault, error.detail]).toEqual([
      'unavailable',
      `The command on 127.0.0.1:${server.port} ended with status 7: no config`,
    ]);
    expect(text('www.example.com.key')).toBe(bundle.privateKeyPem);
    writeFileSync(join(folder, 'ready'), '');
    await deliver(bundle, { command: failing });
    await deliver(bundle, { command: failing });
    expect(log()).toEqual(['ran']);
  });

  it('does not count as done by an account that is confined to SFTP', async () => {
    const confined = await startSshd(['ForceCommand internal-sftp'], server);
    const hostKeys = confined.hostKeyLines['ed25519'];
    const at = { port: confined.port, hostKeys, privateKey: confined.key };
    await deliver(issue(), at);
    expect((await failureOf(deliver(issue(), { ...at, command: 'true', timeoutS: 3 }))).fault).toBe('unavailable');
    await confined.remove();
  });
});

describe('sftp verifies', () => {
  it('what is in the files', async () => {
    const [bundle, other] = [issue(), issue()];
    expect(await verify(bundle)).toEqual({ state: 'missing' });
    await deliver(bundle);
    expect(await verify(bundle)).toEqual({ state: 'same' });
    expect(await verify(bundle, [])).toEqual({ state: 'same' });
    expect(await verify(other)).toMatchObject({ state: 'different' });
    expect(await verify(other, [])).toMatchObject({ state: 'different' });
    chmodSync(join(folder, 'www.example.com.key'), 0o644);
    expect(await verify(bundle)).toMatchObject({ state: 'different', detail: expect.stringContaining('another mode') });
    await deliver(bundle);
    expect(await verify(bundle)).toEqual({ state: 'same' });
    writeFileSync(join(folder, 'www.example.com.key'), 'changed');
    expect(await verify(bundle)).toMatchObject({ state: 'different', detail: expect.stringContaining('.key') });
    rmSync(join(folder, 'www.example.com.key'));
    expect(await verify(bundle)).toEqual({ state: 'missing' });
  });
});

describe('sftp removes', () => {
  it('the files and its own notes, once and again', async () => {
    const bundle = issue();
    await deliver(bundle);
    await remove(bundle);
    await remove(bundle);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('nothing of a successor, also when it has the same key', async () => {
    const [before, after] = [issue(), issue()];
    await deliver(before);
    await deliver({ ...after, privateKeyPem: before.privateKeyPem });
    await remove(before);
    expect(seen()).toEqual(['www.example.com.key', 'www.example.com.pem']);
    expect(text('www.example.com.pem')).toBe(after.chainPem.join(''));
  });

  it('a file that does not show its certificate, also when its last octets were not recorded', async () => {
    const [before, after] = [issue(), issue()];
    await deliver(before, {}, opaque(before));
    await deliver(after, {}, opaque(after));
    await remove(before, opaque(before));
    expect(seen()).toEqual(['www.p12']);
    await remove(after, opaque(after));
    expect(readdirSync(folder)).toEqual([]);
  });

  it('the key that an interrupted removal left, and no key of another', async () => {
    const bundle = issue();
    await deliver(bundle);
    rmSync(join(folder, 'www.example.com.pem'));
    await remove(issue());
    expect(seen()).toEqual(['www.example.com.key']);
    await remove(bundle);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('nothing at another place', async () => {
    const request = { ...placed(issue()), location: '/etc/passwd at 127.0.0.1:22' };
    const removed = sftp.remove?.(request, options(), networkContext());
    expect((await failureOf(removed ?? Promise.resolve())).fault).toBe('misconfigured');
  });
});

describe('the test of the connection of sftp', () => {
  it('leaves nothing behind', async () => {
    await check();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ['a folder that is missing', { folder: '/no/such/folder' }, 'There is no folder'],
    ['a folder that cannot be written', { folder: '/proc' }, '/proc'],
  ])('tells of %s', async (_, changed, words) => {
    const error = await failureOf(check(changed));
    expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining(words)]);
  });
});
