import { createHash } from 'node:crypto';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { encoded } from './aws-signature.js';
import type { AwsAccess } from './aws-credentials.js';
import { AwsService, unlessAws } from './aws.client.js';
import { type AwsCall, serviceIn } from './aws-request.js';
import { elements, textOf } from './xml.js';

const mostVersions = 1000;

/** How the objects of a bucket are kept. */
export interface S3Storage {
  bucket: string;
  accountNumber?: string | undefined;
  encryption: 'bucket' | 'AES256' | 'aws:kms';
  kmsKeyId?: string | undefined;
}

/** The objects of one bucket. Every method throws PluginError. */
export class S3Objects {
  private readonly service: AwsService;

  constructor(
    private readonly storage: S3Storage,
    access: AwsAccess,
    ctx: PluginContext,
  ) {
    this.service = new AwsService(serviceIn(access.region, 'AWS S3', 's3'), access, ctx);
  }

  /** S3 stores the object only if it has arrived whole, and keeps its SHA-256. */
  async write(key: string, bytes: Buffer): Promise<void> {
    const { encryption, kmsKeyId } = this.storage;
    await this.send({
      method: 'PUT',
      path: this.pathOf(key),
      headers: {
        'content-type': 'application/octet-stream',
        'x-amz-checksum-sha256': createHash('sha256').update(bytes).digest('base64'),
        ...(encryption !== 'bucket' && { 'x-amz-server-side-encryption': encryption }),
        ...(kmsKeyId !== undefined && { 'x-amz-server-side-encryption-aws-kms-key-id': kmsKeyId }),
      },
      body: bytes,
    });
  }

  /** The content, of one version where it is named; null when there is none. */
  async read(key: string, versionId?: string): Promise<Buffer | null> {
    const query: AwsCall['query'] = versionId === undefined ? {} : { versionId };
    const found = this.send({ path: this.pathOf(key), query });
    // A version that is only the mark of a deletion has no content.
    return (await unlessAws(found, 'NoSuchKey', 'NoSuchVersion', 'MethodNotAllowed'))?.body ?? null;
  }

  /** The versions of exactly this object, newest first; `null` is the one of a bucket without versions. */
  async versionsOf(key: string): Promise<string[]> {
    const query = { versions: '', prefix: key, 'max-keys': String(mostVersions) };
    const answer = await this.send({ path: `/${this.storage.bucket}`, query });
    return elements(answer.body.toString('utf8'), 'Version')
      .filter((version) => textOf(version, 'Key') === key)
      .map((version) => textOf(version, 'VersionId') ?? 'null');
  }

  async deleteVersion(key: string, versionId: string): Promise<void> {
    await this.send({ method: 'DELETE', path: this.pathOf(key), query: { versionId } });
  }

  private send({ headers, ...call }: AwsCall) {
    const { accountNumber } = this.storage;
    const owner = accountNumber !== undefined && { 'x-amz-expected-bucket-owner': accountNumber };
    return this.service.send({ ...call, headers: { ...headers, ...owner } });
  }

  private pathOf(key: string): string {
    return `/${this.storage.bucket}/${key.split('/').map(encoded).join('/')}`;
  }
}
