import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isSameLeaf } from '../../src/pki/key-pair.js';
import { defineDestination, type PlacedRequest } from '../../src/plugin-api/destination.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Options } from '../../src/plugin-api/options.js';
import { awsAccess, demandWhole } from './aws.options.js';
import { AwsFailure } from './aws-request.js';
import { S3Objects } from './s3.client.js';

const options = z.strictObject({
  ...awsAccess,
  bucket: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket')
    .meta({ title: 'Bucket', description: 'Name of the bucket.' }),
  prefix: z
    .string()
    .max(500)
    .regex(/^(?:[\w.@-]+\/)*[\w.@-]*$/, 'must be letters, digits and .@-_ between slashes, without one at its start')
    .refine((text) => !text.split('/').some((part) => part === '.' || part === '..'), 'must not have . or .. in it')
    .default('')
    .meta({ title: 'Prefix', description: 'What stands before the names of the files.', examples: ['certificates/'] }),
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

  async check(o, ctx) {
    await new S3Objects(o, o, ctx).versionsOf(`${o.prefix}.perennial-check`);
  },

  locate: ({ fileNames: [main = ''] }, o) => locationOf(main, o),

  async deliver({ files }, o, ctx) {
    const [main] = files;
    if (main === undefined) throw new PluginError('refused', 'There is no file to write.');
    const objects = new S3Objects(o, o, ctx);
    // The main file last: whoever sees its successor finds the other files.
    for (const { name, bytes } of [...files].reverse()) {
      const key = o.prefix + name;
      if (!(await readable(objects, key))?.equals(bytes)) await objects.write(key, bytes);
    }
    return { location: locationOf(main.name, o) };
  },

  async verify(request, o, ctx) {
    const objects = new S3Objects(o, o, ctx);
    const main = mainOf(request, o);
    for (const { name, sha256Hex } of request.files) {
      const bytes = await objects.read(o.prefix + name);
      if (bytes === null) return { state: 'missing' };
      if (sha256(bytes) !== sha256Hex)
        return { state: 'different', detail: `The object ${o.prefix}${name} has other content than was delivered.` };
    }
    if (request.files.length > 0) return { state: 'same' };
    const bytes = await objects.read(main);
    if (bytes === null) return { state: 'missing' };
    if (isSameLeaf(bytes, request.bundle.chainPem[0] ?? '') === true) return { state: 'same' };
    return { state: 'different', detail: `The object ${main} holds something else.` };
  },

  async remove(request, o, ctx) {
    const objects = new S3Objects(o, o, ctx);
    const main = mainOf(request, o);
    const held = await objects.read(main);
    if (held !== null && !isMain(held, request)) return;
    const others = request.files.filter(({ name }) => o.prefix + name !== main);
    for (const { name, sha256Hex } of others)
      await removeVersions(objects, o.prefix + name, (bytes) => held !== null || sha256(bytes) === sha256Hex);
    await removeVersions(objects, main, (bytes) => isMain(bytes, request));
  },
});

/** In a bucket that keeps versions, the content of each that goes must not stay behind a mark of its deletion. */
async function removeVersions(objects: S3Objects, key: string, isGoing: (bytes: Buffer) => boolean): Promise<void> {
  for (const versionId of await objects.versionsOf(key)) {
    const bytes = await objects.read(key, versionId);
    if (bytes !== null && isGoing(bytes)) await objects.deleteVersion(key, versionId);
  }
}

function isMain(bytes: Buffer, { bundle: { chainPem }, files }: PlacedRequest): boolean {
  return files[0]?.sha256Hex === sha256(bytes) || isSameLeaf(bytes, chainPem[0] ?? '') === true;
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

function locationOf(name: string, { bucket, prefix }: S3Options): string {
  return `s3://${bucket}/${prefix}${name}`;
}

function mainOf({ location }: PlacedRequest, { bucket, prefix }: S3Options): string {
  const start = `s3://${bucket}/`;
  const key = location.slice(start.length);
  if (location.startsWith(start) && key.startsWith(prefix)) return key;
  throw new PluginError('misconfigured', `"${location}" is not below "${start}${prefix}".`);
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
