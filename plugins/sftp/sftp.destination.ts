import { createHash, X509Certificate } from 'node:crypto';
import { posix } from 'node:path';
import type { Client } from 'ssh2';
import { isSameLeaf } from '../../src/pki/key-pair.js';
import {
  defineDestination,
  type DeliveredFile,
  type PlacedRequest,
  type Verdict,
} from '../../src/plugin-api/destination.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Bundle, ExportedFile } from '../../src/plugin-api/export.js';
import { certificateIn, noRecord, parseRecord, type PlaceRecord, recordText } from './place-record.js';
import { RemoteFiles, type RemoteFile } from './sftp.client.js';
import { options, type SftpOptions } from './sftp.options.js';
import { addressOf, demandUsable, runCommand, withSsh } from './ssh.client.js';

/**
 * Writes files to a folder of an SSH server. Each file is replaced in one step, the main file last; a program that
 * opens key and certificate between two steps reads a pair that does not fit, which the export `pem-bundle` avoids.
 */
export const sftp = defineDestination({
  id: 'sftp',
  aliases: ['sftp-destination'],
  title: 'SSH server',
  description: 'Writes the files of an export to a folder of an SSH server by SFTP, and runs a command there.',
  options,
  needsPrivateKey: true,
  files: { pluginId: 'pem-files', options: { layout: 'nginx' } },

  admit: demandUsable,

  async check(o, ctx) {
    await withSsh(o, ctx, async (client) => {
      const remote = await RemoteFiles.open(client);
      if (!(await remote.isFolder(o.folder))) return demandCreation(o);
      const path = inFolder('.perennial-check', o);
      await remote.stage({ path, bytes: Buffer.alloc(0), mode: 0o600, owner: ownerOf(o) });
      await remote.publish(path);
      await remote.remove(path);
    });
  },

  locate: ({ fileNames: [main = ''] }, o) => locationOf(main, o),

  async deliver({ bundle, files }, o, ctx) {
    const [main] = files;
    const [leafPem] = bundle.chainPem;
    if (main === undefined || leafPem === undefined)
      throw new PluginError('refused', 'There is no certificate, or no file to write.');
    const content = { sha256Hex: sha256(main.bytes), fingerprintHex: fingerprint(leafPem) };
    await withSsh(o, ctx, async (client) => {
      const remote = await RemoteFiles.open(client);
      await makeFolders(remote, main.name, o);
      const wanted = files.map((file) => remoteFile(file, o));
      const place = new Place(remote, inFolder(main.name, o));
      const done: PlaceRecord = { contents: [content], isCommandDue: false, keepsModes: true };
      const isDone = (await isInPlace(remote, wanted)) && (await place.isNoted(done));
      if (isDone) return;
      const isCommandDue = o.command !== undefined;
      await place.expect({ ...done, isCommandDue });
      await replaceAll(remote, wanted);
      const keepsModes = await isInPlace(remote, wanted);
      if (o.command !== undefined) await runCommand(client, commandOf(o.command, bundle, place.main, o), o);
      await place.note({ ...done, keepsModes });
    });
    return { location: locationOf(main.name, o) };
  },

  async verify(request, o, ctx) {
    const main = mainOf(request, o);
    return withSsh(o, ctx, async (client) => {
      const remote = await RemoteFiles.open(client);
      const place = new Place(remote, main);
      if (request.files.length > 0) return compareFiles(remote, request.files, o, (await place.read()).keepsModes);
      const bytes = await remote.read(main);
      if (bytes === null) return { state: 'missing' };
      return (await place.isOf(bytes, request))
        ? { state: 'same' }
        : { state: 'different', detail: `The file ${main} holds another certificate.` };
    });
  },

  async remove(request, o, ctx) {
    const main = mainOf(request, o);
    await withSsh(o, ctx, (client) => removeFiles(client, main, request, o));
  },
});

/** Compares the files with the digests of what was delivered and, where the server keeps them, modes and owner. */
async function compareFiles(
  remote: RemoteFiles,
  files: readonly DeliveredFile[],
  o: SftpOptions,
  withModes: boolean,
): Promise<Verdict> {
  for (const { name, sha256Hex, mode } of files) {
    const path = inFolder(name, o);
    const bytes = await remote.read(path);
    if (bytes === null) return { state: 'missing' };
    if (sha256(bytes) !== sha256Hex)
      return { state: 'different', detail: `The file ${path} has other content than was delivered.` };
    const wanted = { path, bytes, mode: modeOf(mode ?? 0, o), owner: ownerOf(o) };
    if (withModes && mode !== undefined && !(await remote.holds(wanted)))
      return { state: 'different', detail: `The file ${path} has another mode or owner than the options say.` };
  }
  return { state: 'same' };
}

/** The main file of one certificate, and the record beside it. */
class Place {
  readonly record: string;

  constructor(
    private readonly remote: RemoteFiles,
    readonly main: string,
  ) {
    this.record = posix.join(posix.dirname(main), `.${posix.basename(main)}.perennial`);
  }

  async read(): Promise<PlaceRecord> {
    const bytes = await this.remote.read(this.record);
    return bytes === null ? noRecord : parseRecord(bytes.toString('utf8'));
  }

  async isNoted(record: PlaceRecord): Promise<boolean> {
    return recordText(await this.read()) === recordText(record);
  }

  async note(record: PlaceRecord): Promise<void> {
    const file = { path: this.record, bytes: Buffer.from(recordText(record)), mode: 0o600, owner: undefined };
    await replaceAll(this.remote, [file]);
  }

  /** Notes what is about to be written, beside what the main file holds until then. */
  async expect(record: PlaceRecord): Promise<void> {
    const bytes = await this.remote.read(this.main);
    const held = (await this.read()).contents.filter((content) => bytes && content.sha256Hex === sha256(bytes));
    const others = held.filter(({ sha256Hex }) => sha256Hex !== record.contents[0]?.sha256Hex);
    await this.note({ ...record, contents: [...others, ...record.contents] });
  }

  /** Whether this content of the main file is the certificate of the request. */
  async isOf(bytes: Buffer, { bundle: { chainPem }, files }: PlacedRequest): Promise<boolean> {
    const [leafPem = ''] = chainPem;
    const digest = sha256(bytes);
    return (
      files[0]?.sha256Hex === digest ||
      certificateIn(await this.read(), digest) === fingerprint(leafPem) ||
      isSameLeaf(bytes, leafPem) === true
    );
  }
}

/** Files with a key before the main file, so that a place without its main file holds no key for long. */
async function removeFiles(client: Client, main: string, request: PlacedRequest, o: SftpOptions): Promise<void> {
  const remote = await RemoteFiles.open(client);
  const place = new Place(remote, main);
  const held = await remote.read(main);
  const isOurs = held !== null && (await place.isOf(held, request));
  if (held !== null && !isOurs) return;
  for (const file of request.files) {
    const path = inFolder(file.name, o);
    await remote.unstage(path);
    if (path !== main && (isOurs || (await isSame(remote, path, file)))) await remote.remove(path);
  }
  await remote.remove(main);
  await remote.unstage(place.record);
  await remote.remove(place.record);
  if (posix.dirname(main) !== o.folder) await remote.removeFolder(posix.dirname(main));
}

async function isSame(remote: RemoteFiles, path: string, { sha256Hex }: DeliveredFile): Promise<boolean> {
  const bytes = await remote.read(path);
  return bytes !== null && sha256(bytes) === sha256Hex;
}

async function isInPlace(remote: RemoteFiles, files: readonly RemoteFile[]): Promise<boolean> {
  for (const file of files) if (!(await remote.holds(file))) return false;
  return true;
}

/** All are written before the first is renamed; the first of `files` is renamed last. */
async function replaceAll(remote: RemoteFiles, files: readonly RemoteFile[]): Promise<void> {
  const paths = files.map(({ path }) => path).reverse();
  try {
    for (const file of files) await remote.stage(file);
    for (const path of paths) await remote.publish(path);
  } catch (error) {
    for (const path of paths) await remote.unstage(path).catch(() => undefined);
    throw error;
  }
}

async function makeFolders(remote: RemoteFiles, mainName: string, o: SftpOptions): Promise<void> {
  if (!(await remote.isFolder(o.folder))) {
    demandCreation(o);
    const parts = o.folder.split('/').slice(1);
    for (const [at] of parts.entries()) {
      const path = `/${parts.slice(0, at + 1).join('/')}`;
      if (!(await remote.isFolder(path))) await remote.makeFolder(path);
    }
  }
  const folder = posix.dirname(inFolder(mainName, o));
  if (folder !== o.folder && !(await remote.isFolder(folder))) await remote.makeFolder(folder);
}

function demandCreation({ createFolder, folder }: SftpOptions): void {
  if (!createFolder)
    throw new PluginError('misconfigured', `There is no folder "${folder}" on the server. Create it, or allow that.`);
}

function remoteFile({ name, bytes, mode }: ExportedFile, o: SftpOptions): RemoteFile {
  return { path: inFolder(name, o), bytes, mode: modeOf(mode, o), owner: ownerOf(o) };
}

/** Files with a key get the mode of the options; others can be read by everyone besides. */
function modeOf(exported: number, { mode }: Pick<SftpOptions, 'mode'>): number {
  const forKeys = Number.parseInt(mode, 8);
  return (exported & 0o044) === 0 ? forKeys : forKeys | 0o444;
}

function ownerOf({ owner }: SftpOptions): RemoteFile['owner'] {
  const [uid, gid] = owner?.split(':').map(Number) ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

function inFolder(name: string, { folder }: SftpOptions): string {
  return posix.join(folder, name);
}

function locationOf(name: string, o: SftpOptions): string {
  return `${inFolder(name, o)} at ${addressOf(o)}`;
}

/** The path in a location of this destination. Throws PluginError `misconfigured` for any other. */
function mainOf({ location }: PlacedRequest, o: SftpOptions): string {
  const end = ` at ${addressOf(o)}`;
  const path = location.slice(0, -end.length);
  const name = posix.relative(o.folder, path);
  if (location.endsWith(end) && name !== '' && !name.startsWith('../')) return path;
  throw new PluginError('misconfigured', `"${location}" is not in the folder "${o.folder}" at ${addressOf(o)}.`);
}

function commandOf(command: string, { commonName }: Bundle, main: string, { folder }: SftpOptions): string {
  const values: Readonly<Record<string, string>> = { commonName, file: main, folder };
  return command.replace(/\{(\w+)\}/g, (whole, name: string) => quoted(values[name] ?? whole));
}

/** One word of a POSIX shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function fingerprint(leafPem: string): string {
  return new X509Certificate(leafPem).fingerprint256.replaceAll(':', '').toLowerCase();
}
