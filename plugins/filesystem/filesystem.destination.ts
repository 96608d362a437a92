import { createHash } from 'node:crypto';
import { basename, join, normalize, relative } from 'node:path';
import { z } from 'zod';
import { isSameLeaf } from '../../src/pki/key-pair.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineDestination, type DeliveredFile, type Verdict } from '../../src/plugin-api/destination.js';
import type { Bundle, ExportedFile } from '../../src/plugin-api/export.js';
import type { Options } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { absolutePath, allowed, demandAllowedRoot, translated } from './allowed.js';
import {
  forgetPrevious,
  forgetReload,
  isInPlace,
  isReloadPending,
  makeFolder,
  noteReload,
  probe,
  publish,
  readSeen,
  readVersion,
  sweep,
  withdraw,
  type StoredFile,
} from './filesystem.client.js';
import { localAccounts, resolveOwner, type Owner } from './owner.js';
import { certificateFile, kindOf, locationOf, type Place, type PlaceKind, placesOf, recordName } from './place.js';

const options = z.strictObject({
  path: absolutePath.meta({
    title: 'Folder',
    description: 'Absolute path of the folder on this machine. Created if missing.',
    examples: ['/etc/ssl/perennial'],
  }),
  owner: z
    .string()
    .regex(/^[\w.-]+(?::[\w.-]+)?$/, 'must be user, user:group or uid:gid')
    .optional()
    .meta({
      title: 'Owner',
      description:
        'Owner of the files: user, user:group or uid:gid. A user alone implies ' +
        'the primary group. Absent: the user of this program.',
    }),
  mode: z
    .string()
    .regex(/^0?[46][046]0$/, 'must be octal, e.g. 0600, without permissions for others')
    .default('0600')
    .meta({
      title: 'Mode of key files',
      description:
        'Octal mode of files with a private key, e.g. 0600, 0640 or 0400. Files ' +
        'without a key are readable by everyone.',
    }),
  reload: z.string().min(1).max(100).optional().meta({
    title: 'Reload command',
    description:
      'Name of a command that the operator allows. It runs after the files have changed, again until it succeeds.',
  }),
});

type FilesystemOptions = Options<typeof options>;

/**
 * Writes certificates to a folder on this machine. All files of a certificate change atomically; the previous version
 * is kept. A reader that opens key and certificate separately may read across a change: read through `current`, opened
 * once, or use the export `pem-bundle`.
 */
export const filesystem = defineDestination({
  id: 'filesystem',
  title: 'Folder on this machine',
  description: 'Keeps the files of an export in a local or mounted folder, and runs a reload command after a change.',
  options,
  needsPrivateKey: true,

  admit: (o, ctx) => translated(ctx.signal, () => demandAllowedRoot(o.path, ctx.site)),

  async check(o, ctx) {
    ctx.signal.throwIfAborted();
    await translated(ctx.signal, async () => {
      const folder = await allowed(o.path, ctx.site);
      await probe(folder, await ownerOf(o));
    });
  },

  files: { pluginId: 'pem-files', options: { layout: 'directory' } },

  locate: ({ fileNames }, o) => locationOf(o.path, fileNames),

  async deliver({ bundle, files }, o, ctx) {
    const names = files.map(({ name }) => name);
    const location = locationOf(o.path, names);
    await translated(ctx.signal, async () => {
      const stored = storedFiles(bundle, files, { mode: o.mode, owner: await ownerOf(o) });
      await settle(await placeOf(kindOf(names), location, o.path, ctx), stored, o.reload, ctx);
    });
    return { location };
  },

  async verify({ location, bundle, files }, o, ctx) {
    ctx.signal.throwIfAborted();
    demandOurs(location, o);
    return translated(ctx.signal, async () =>
      files.length > 0
        ? compareFiles(await placeOf(kindOf(files.map(({ name }) => name)), location, o.path, ctx), files, o)
        : compareRecord(location, bundle, o, ctx),
    );
  },

  async remove({ location, bundle }, o, ctx) {
    demandOurs(location, o);
    // The export step may have changed since the files were written.
    for (const kind of ['folder', 'file'] as const) {
      ctx.signal.throwIfAborted();
      await translated(ctx.signal, async () =>
        removeFiles(await placeOf(kind, location, o.path, ctx), certificateFile(kind, location), bundle),
      );
    }
  },
});

/** Throws PluginError `misconfigured` for a location that is not directly in the folder of the options. */
function demandOurs(location: string, { path }: FilesystemOptions): void {
  const name = relative(normalize(path), location);
  if (name === '' || name.startsWith('.') || name.includes('/'))
    throw new PluginError('misconfigured', `"${location}" is not in the folder "${path}".`);
}

/** Compares what readers find with the digests, the modes and the owner of what was delivered. */
async function compareFiles(place: Place, files: readonly DeliveredFile[], o: FilesystemOptions): Promise<Verdict> {
  const owner = await ownerOf(o);
  for (const { name, sha256Hex, mode } of files) {
    const found = await readSeen(place, basename(name));
    if (found === null) return { state: 'missing' };
    const { bytes, ...access } = found;
    const fault =
      createHash('sha256').update(bytes).digest('hex') === sha256Hex
        ? accessFault(access, { mode: mode === undefined ? undefined : modeOf(mode, o), owner })
        : 'has other content.';
    if (fault !== null)
      return { state: 'different', detail: `The file ${join(place.readers, basename(name))} ${fault}` };
  }
  return { state: 'same' };
}

/** What a file has instead of this mode and owner, in words; null when it has them. */
function accessFault(
  found: Owner & { mode: number },
  { mode, owner }: { mode: number | undefined; owner: Owner | undefined },
): string | null {
  if (mode !== undefined && found.mode !== mode) return `has the mode ${octal(found.mode)} instead of ${octal(mode)}.`;
  if (owner && (found.uid !== owner.uid || found.gid !== owner.gid))
    return `belongs to ${found.uid}:${found.gid} instead of ${owner.uid}:${owner.gid}.`;
  return null;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** Files with a key get the mode of the options; others can be read by everyone besides. */
function modeOf(exported: number, { mode }: Pick<FilesystemOptions, 'mode'>): number {
  const forKeys = Number.parseInt(mode, 8);
  return (exported & 0o044) === 0 ? forKeys : forKeys | 0o444;
}

/** Compares the certificate, for a delivery whose files were not recorded. */
async function compareRecord(
  location: string,
  { chainPem: [leafPem = ''] }: Bundle,
  o: FilesystemOptions,
  ctx: PluginContext,
): Promise<Verdict> {
  for (const kind of ['folder', 'file'] as const) {
    const place = await placeOf(kind, location, o.path, ctx);
    const held = await readRecord(place, 'current', certificateFile(kind, location));
    if (held === null) continue;
    if (isSameLeaf(held, leafPem)) return { state: 'same' };
    return { state: 'different', detail: `"${location}" holds another certificate.` };
  }
  return { state: 'missing' };
}

async function settle(
  place: Place,
  files: readonly StoredFile[],
  reload: string | undefined,
  ctx: PluginContext,
): Promise<void> {
  if (!(await isInPlace(place, files))) {
    ctx.signal.throwIfAborted();
    await makeFolder(place.store);
    if (reload !== undefined) await noteReload(place);
    await publish(place, files, ctx.signal);
    if (!(await isInPlace(place, files)))
      throw new PluginError('unavailable', `Another program changed the files in "${place.readers}" at the same time.`);
  }
  await sweep(place);
  if (reload !== undefined && (await isReloadPending(place))) await ctx.site.runCommand(reload, ctx.signal);
  await forgetReload(place);
}

/** After another certificate was delivered here, the previous version may still hold this one and its key. */
async function removeFiles(place: Place, file: string, bundle: Bundle): Promise<void> {
  const current = await readRecord(place, 'current', file);
  if (current === null || holds(current, bundle)) return withdraw(place);
  const previous = await readRecord(place, 'previous', file);
  if (previous !== null && holds(previous, bundle)) await forgetPrevious(place);
  await sweep(place);
}

/** The certificate of a version; `file` holds it in versions without a record. */
async function readRecord(place: Place, version: 'current' | 'previous', file: string): Promise<Buffer | null> {
  return (await readVersion(place, version, recordName)) ?? readVersion(place, version, file);
}

/** True when the first certificate in the file is the leaf of the bundle, or when the file holds no certificate. */
function holds(file: Buffer, { chainPem: [leafPem = ''] }: Bundle): boolean {
  return isSameLeaf(file, leafPem) ?? true;
}

/** As they are written: files with a key first, the main file last, then the record of the certificate. */
function storedFiles(
  { chainPem: [leafPem] }: Bundle,
  files: readonly ExportedFile[],
  { mode, owner }: { mode: string; owner: Owner | undefined },
): StoredFile[] {
  if (leafPem === undefined || files.length === 0)
    throw new PluginError('refused', 'There is no certificate, or no file to write.');
  const written = files.map(({ name, bytes, mode: exported }) => ({
    name: basename(name),
    bytes,
    mode: modeOf(exported, { mode }),
    owner,
  }));
  return [...written.reverse(), { name: recordName, bytes: Buffer.from(leafPem), mode: 0o644, owner: undefined }];
}

async function ownerOf(o: FilesystemOptions): Promise<Owner | undefined> {
  return o.owner === undefined ? undefined : resolveOwner(o.owner, await localAccounts());
}

async function placeOf(kind: PlaceKind, location: string, folder: string, ctx: PluginContext): Promise<Place> {
  await allowed(folder, ctx.site);
  const { store, readers } = placesOf[kind](location);
  return { store: await allowed(store, ctx.site), readers: await allowed(readers, ctx.site) };
}
