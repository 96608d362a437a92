import { z } from 'zod';
import { sha256Hex } from '../../src/pki/digest.js';
import { isSameLeaf } from '../../src/pki/key-pair.js';
import { defineDestination } from '../../src/plugin-api/destination.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { type ObjectStore, objectVerbs, prefixOption } from '../../src/plugin-api/object-store.js';
import type { Options } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { awsAccess, demandWhole } from './aws.options.js';
import { AwsFailure } from './aws-request.js';
import { S3Objects } from './s3.client.js';

const options = z.strictObject({
  ...awsAccess,
  bucket: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket')
    .meta({ title: 'Bucket', description: 'Name of the bucket.' }),
  prefix: prefixOption,
  encryption: z.enum(['bucket', 'AES256', 'aws:kms']).default('bucket').meta({
    title: 'Encryption',
    description: 'bucket: as the bucket encrypts by default. AES256: with keys of S3. aws:kms: with a key of AWS KMS.',
  }),
  kmsKeyId: z
    .string()
    .regex(/^[\w:/-]{1,2048}$/)
    .optional()
    .meta({ title: 'KMS key', description: 'Id or ARN of the key for aws:kms. Absent: that of the account for S3.' }),
});

type S3Options = Options<typeof options>;

/** Keeps the files of an export as objects of an S3 bucket. */
export const awsS3 = defineDestination({
  id: 'aws-s3',
  title: 'AWS S3',
  description: 'Keeps the files of an export as objects of an S3 bucket, encrypted there, with a checksum.',
  options,
  needsPrivateKey: true,
  files: { pluginId: 'pem-bundle', options: {} },

  async admit(o) {
    demandWhole(o);
    const { encryption, kmsKeyId } = o;
    if (kmsKeyId !== undefined && encryption !== 'aws:kms')
      throw new PluginError('misconfigured', 'A KMS key is for the encryption aws:kms.');
  },

  ...objectVerbs<S3Options>({ scheme: 's3', open: openBucket, sha256Hex, isSameLeaf }),
});

function openBucket(o: S3Options, ctx: PluginContext): ObjectStore {
  const objects = new S3Objects(o, o, ctx);
  return {
    put: async (key, bytes) => {
      if (!(await readable(objects, key))?.equals(bytes)) await objects.write(key, bytes);
    },
    read: (key, version) => objects.read(key, version),
    versionsOf: (key) => objects.versionsOf(key),
    deleteVersion: (key, version) => objects.deleteVersion(key, version),
  };
}

/** What is there, where that may be read: S3 answers 403 for what is missing to who may not list the bucket. */
async function readable(objects: S3Objects, key: string): Promise<Buffer | null> {
  try {
    return await objects.read(key);
  } catch (error) {
    if (error instanceof AwsFailure && error.code === 'AccessDenied') return null;
    throw error;
  }
}
