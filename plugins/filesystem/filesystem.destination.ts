import { normalize, relative } from 'node:path';
import { z } from 'zod';
import { isSameLeaf, pairFault } from '../../src/pki/key-pair.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineDestination, type DeliveryRequest } from '../../src/plugin-api/destination.js';
import type { Bundle } from '../../src/plugin-api/export.js';
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
  readVersion,
  sweep,
  withdraw,
  type Place,
  type StoredFile,
} from './filesystem.client.js';
import { certificateFile, LAYOUTS, mainPath, planFiles, readersFolder, storePath, type Layout } from './layout.js';
import { localAccounts, resolveOwner, type Owner } from './owner.js';

const options = z.strictObject({
  path: absolutePath.meta({
    title: 'Folder',
    description: 'Absolute path of the folder on this machine. Created if missing.',
    examples: ['/etc/ssl/perennial'],
  }),
  layout: z
    .enum(LAYOUTS)
    .default('directory')
    .meta({
      title: 'Layout',
      description:
        'directory: <name>/cert.pem, chain.pem, fullchain.pem, privkey.pem. combined: ' +
        '<name>.pem with key and full chain, as HAProxy ' +
        'reads it. nginx: <name>.pem with the full chain, <name>.key. apache: ' +
        '<name>.crt, <name>.key, <name>.ca-bundle.crt. ' +
        '<name> is the common name, with _wildcard for *.',
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
 * once, or use `combined`.
 */
export const filesystem = defineDestination({
  id: 'filesystem',
  title: 'Folder on this machine',
  description:
    'Keeps key, certificate and chain as PEM files in a local or mounted folder, and ' +
    'runs a reload command after a change.',
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

  locate,

  async deliver({ bundle }, o, ctx) {
    const location = locate({ bundle }, o);
    await translated(ctx.signal, async () => {
      const files = storedFiles(bundle, o, await ownerOf(o));
      await settle(await placeOf(o.layout, location, o.path, ctx), files, o.reload, ctx);
    });
    return { location };
  },

  async remove({ location, bundle }, o, ctx) {
    const name = relative(normalize(o.path), location);
    if (name === '' || name.startsWith('.') || name.includes('/')) {
      throw new PluginError('misconfigured', `"${location}" is not in the folder "${o.path}".`);
    }
    // The layout may have changed since the files were written.
    for (const layout of ['directory', 'combined'] as const) {
      ctx.signal.throwIfAborted();
      await translated(ctx.signal, async () =>
        removeFiles(await placeOf(layout, location, o.path, ctx), certificateFile(layout, location), bundle),
      );
    }
  },
});

function locate({ bundle }: DeliveryRequest, o: FilesystemOptions): string {
  return mainPath(o.layout, normalize(o.path), bundle.commonName);
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
  const current = await readVersion(place, 'current', file);
  if (current === null || holds(current, bundle)) return withdraw(place);
  const previous = await readVersion(place, 'previous', file);
  if (previous !== null && holds(previous, bundle)) await forgetPrevious(place);
  await sweep(place);
}

/** True when the first certificate in the file is the leaf of the bundle, or when the file holds no certificate. */
function holds(file: Buffer, { chainPem: [leafPem = ''] }: Bundle): boolean {
  return isSameLeaf(file, leafPem) ?? true;
}

function storedFiles(bundle: Bundle, o: FilesystemOptions, owner: Owner | undefined): StoredFile[] {
  const mode = Number.parseInt(o.mode, 8);
  return planFiles(o.layout, bundle, keyOf(bundle)).map(({ name, text, holdsKey }) => ({
    name,
    bytes: Buffer.from(text),
    mode: holdsKey ? mode : mode | 0o444,
    owner,
  }));
}

/** The private key, after a check that it belongs to the leaf. */
function keyOf({ chainPem: [leafPem], privateKeyPem = '' }: Bundle): string {
  const fault = pairFault(leafPem, privateKeyPem);
  if (fault !== null) throw new PluginError('refused', fault);
  return privateKeyPem;
}

async function ownerOf(o: FilesystemOptions): Promise<Owner | undefined> {
  return o.owner === undefined ? undefined : resolveOwner(o.owner, await localAccounts());
}

async function placeOf(layout: Layout, location: string, folder: string, ctx: PluginContext): Promise<Place> {
  await allowed(folder, ctx.site);
  return {
    store: await allowed(storePath(layout, location), ctx.site),
    readers: await allowed(readersFolder(layout, location), ctx.site),
  };
}
