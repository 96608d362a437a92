import { z } from 'zod';
import { sha256Hex } from '../../src/pki/digest.js';
import { isSameLeaf } from '../../src/pki/key-pair.js';
import { defineDestination } from '../../src/plugin-api/destination.js';
import { type ObjectStore, objectVerbs, prefixOption } from '../../src/plugin-api/object-store.js';
import type { Options } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { CloudStorage } from './cloud-storage.client.js';
import { googleAccess } from './google-cloud.options.js';

const { serviceAccountKey } = googleAccess('Storage Object Admin', 'the bucket');

const options = z.strictObject({
  serviceAccountKey,
  bucket: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/, 'must be the name of a bucket')
    .meta({ title: 'Bucket', description: 'Name of the bucket.' }),
  prefix: prefixOption,
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

  ...objectVerbs<StorageOptions>({ scheme: 'gs', open: openBucket, sha256Hex, isSameLeaf }),
});

function openBucket(o: StorageOptions, ctx: PluginContext): ObjectStore {
  const storage = new CloudStorage(o, ctx);
  return {
    put: async (name, bytes) => {
      const held = await storage.read(name);
      if (!held?.bytes.equals(bytes)) await storage.write(name, bytes, held);
    },
    read: async (name, generation) => (await storage.read(name, generation))?.bytes ?? null,
    versionsOf: (name) => storage.generationsOf(name),
    deleteVersion: (name, generation) => storage.delete(name, generation),
  };
}
