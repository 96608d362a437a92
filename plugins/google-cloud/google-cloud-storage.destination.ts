import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isSameLeaf } from '../../src/pki/key-pair.js';
import { defineDestination, type PlacedRequest } from '../../src/plugin-api/destination.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Options } from '../../src/plugin-api/options.js';
import { CloudStorage } from './cloud-storage.client.js';
import { googleAccess } from './google-cloud.options.js';

const { serviceAccountKey } = googleAccess('Storage Object Admin', 'the bucket');

const options = z.strictObject({
  serviceAccountKey,
  bucket: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/, 'must be the name of a bucket')
    .meta({ title: 'Bucket', description: 'Name of the bucket.' }),
  prefix: z
    .string()
    .max(500)
    .regex(/^(?:[\w.@-]+\/)*[\w.@-]*$/, 'must be letters, digits and .@-_ between slashes, without one at its start')
    .refine((text) => !text.split('/').some((part) => part === '.' || part === '..'), 'must not have . or .. in it')
    .default('')
    .meta({ title: 'Prefix', description: 'What stands before the names of the files.', examples: ['certificates/'] }),
  kmsKeyName: z
    .string()
    .regex(/^projects\/[\w.:-]+\/locations\/[\w-]+\/keyRings\/[\w-]+\/cryptoKeys\/[\w-]+$/, 'must be the name of a key')
    .optional()
    .meta({
      title: 'KMS key',
      description: 'Name of the key of Cloud KMS that encrypts the objects. Absent: as the bucket encrypts by default.',
      examples: ['projects/my-project/locations/europe-west3/keyRings/pki/cryptoKeys/files'],
    }),
});

type StorageOptions = Options<typeof options>;

/** Keeps the files of an export as objects of a bucket of Cloud Storage. */
export const googleCloudStorage = defineDestination({
  id: 'google-cloud-storage',
  title: 'Google Cloud Storage',
  description: 'Keeps the files of an export as objects of a bucket of Google Cloud Storage.',
  options,
  needsPrivateKey: true,
  files: { pluginId: 'pem-bundle', options: {} },

  async check(o, ctx) {
    await new CloudStorage(o, ctx).generationsOf(`${o.prefix}.perennial-check`);
  },

  locate: ({ fileNames: [main = ''] }, o) => locationOf(main, o),

  async deliver({ files }, o, ctx) {
    const [main] = files;
    if (main === undefined) throw new PluginError('refused', 'There is no file to write.');
    const storage = new CloudStorage(o, ctx);
    // The main file last: whoever sees its successor finds the other files.
    for (const { name, bytes } of [...files].reverse()) {
      const held = await storage.read(o.prefix + name);
      if (!held?.bytes.equals(bytes)) await storage.write(o.prefix + name, bytes, held);
    }
    return { location: locationOf(main.name, o) };
  },

  async verify(request, o, ctx) {
    const storage = new CloudStorage(o, ctx);
    const main = mainOf(request, o);
    for (const { name, sha256Hex } of request.files) {
      const held = await storage.read(o.prefix + name);
      if (held === null) return { state: 'missing' };
      if (sha256(held.bytes) !== sha256Hex)
        return { state: 'different', detail: `The object ${o.prefix}${name} has other content than was delivered.` };
    }
    if (request.files.length > 0) return { state: 'same' };
    const held = await storage.read(main);
    if (held === null) return { state: 'missing' };
    if (isSameLeaf(held.bytes, request.bundle.chainPem[0] ?? '') === true) return { state: 'same' };
    return { state: 'different', detail: `The object ${main} holds something else.` };
  },

  async remove(request, o, ctx) {
    const storage = new CloudStorage(o, ctx);
    const main = mainOf(request, o);
    const held = await storage.read(main);
    if (held !== null && !isMain(held.bytes, request)) return;
    const others = request.files.filter(({ name }) => o.prefix + name !== main);
    for (const { name, sha256Hex } of others)
      await removeVersions(storage, o.prefix + name, (bytes) => held !== null || sha256(bytes) === sha256Hex);
    await removeVersions(storage, main, (bytes) => isMain(bytes, request));
  },
});

/** A bucket that keeps versions would keep the key in one that is not live. */
async function removeVersions(storage: CloudStorage, name: string, isGoing: (bytes: Buffer) => boolean): Promise<void> {
  for (const generation of await storage.generationsOf(name)) {
    const held = await storage.read(name, generation);
    if (held !== null && isGoing(held.bytes)) await storage.delete(name, generation);
  }
}

function isMain(bytes: Buffer, { bundle: { chainPem }, files }: PlacedRequest): boolean {
  return files[0]?.sha256Hex === sha256(bytes) || isSameLeaf(bytes, chainPem[0] ?? '') === true;
}

function locationOf(name: string, { bucket, prefix }: StorageOptions): string {
  return `gs://${bucket}/${prefix}${name}`;
}

function mainOf({ location }: PlacedRequest, { bucket, prefix }: StorageOptions): string {
  const start = `gs://${bucket}/`;
  const name = location.slice(start.length);
  if (location.startsWith(start) && name.startsWith(prefix)) return name;
  throw new PluginError('misconfigured', `"${location}" is not below "${start}${prefix}".`);
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
