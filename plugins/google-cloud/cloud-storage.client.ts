import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { HttpFailure, type JsonCall } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { FetchResponse } from '../../src/plugin-api/site.js';
import { type GoogleAccess, GoogleService } from './google-cloud.client.js';

const api = {
  baseUrl: 'https://storage.googleapis.com',
  scope: 'https://www.googleapis.com/auth/devstorage.read_write',
};

const Listed = z.object({
  items: z.array(z.object({ name: z.string(), generation: z.string() })).default([]),
  nextPageToken: z.string().optional(),
});

/** Where objects are, and with which key of Cloud KMS they are encrypted. */
export interface StoragePlace {
  bucket: string;
  kmsKeyName?: string | undefined;
}

/** One version of an object. */
export interface StoredObject {
  bytes: Buffer;
  generation: string;
}

/** The objects of one bucket (JSON API v1). Every method throws PluginError. */
export class CloudStorage {
  private readonly service: GoogleService;
  private readonly objects: string;

  constructor(
    private readonly access: GoogleAccess & StoragePlace,
    ctx: PluginContext,
  ) {
    this.service = new GoogleService(api, access, ctx);
    this.objects = `/storage/v1/b/${encodeURIComponent(access.bucket)}/o`;
  }

  /** The live version, or the one with this generation; null when there is none. */
  async read(name: string, generation?: string): Promise<StoredObject | null> {
    const query = { alt: 'media', generation };
    const found = await this.unlessMissing({ path: this.pathOf(name), query });
    return found && { bytes: found.body, generation: String(found.headers['x-goog-generation'] ?? '') };
  }

  /**
   * Stores the object whole or not at all, if the live version still is `before` (null: if there is none), else throws
   * `unavailable`. Google compares the MD5.
   */
  async write(name: string, bytes: Buffer, before: StoredObject | null): Promise<void> {
    const md5Hash = createHash('md5').update(bytes).digest('base64');
    const contentType = 'application/octet-stream';
    try {
      await this.service.send({
        path: `/upload${this.objects}`,
        query: {
          uploadType: 'multipart',
          ifGenerationMatch: before?.generation ?? '0',
          kmsKeyName: this.access.kmsKeyName,
        },
        raw: multipart({ name, contentType, md5Hash }, bytes, contentType),
      });
    } catch (error) {
      if (!(error instanceof HttpFailure) || error.answer.status !== 412) return missingBucket(error);
      throw new PluginError('unavailable', `Something else has written the object ${name} meanwhile.`);
    }
  }

  /** The generations of exactly this object, also of versions that are not live. */
  async generationsOf(name: string): Promise<string[]> {
    const found: string[] = [];
    let pageToken: string | undefined;
    do {
      const query = { prefix: name, versions: 'true', fields: 'items(name,generation),nextPageToken', pageToken };
      const page = await this.service.json(Listed, { path: this.objects, query }).catch(missingBucket);
      found.push(...page.items.filter((one) => one.name === name).map(({ generation }) => generation));
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
    return found;
  }

  /** Succeeds when there is no such version. */
  async delete(name: string, generation: string): Promise<void> {
    await this.unlessMissing({ method: 'DELETE', path: this.pathOf(name), query: { generation } });
  }

  private async unlessMissing(call: JsonCall): Promise<FetchResponse | null> {
    try {
      return await this.service.send(call);
    } catch (error) {
      if (!(error instanceof HttpFailure) || error.answer.status !== 404) throw error;
      if (/bucket/i.test(error.detail)) throw new PluginError('misconfigured', error.detail);
      return null;
    }
  }

  private pathOf(name: string): string {
    return `${this.objects}/${encodeURIComponent(name)}`;
  }
}

function missingBucket(error: unknown): never {
  if (error instanceof HttpFailure && error.answer.status === 404) throw new PluginError('misconfigured', error.detail);
  throw error;
}

/** Metadata and content in one request (RFC 2387). */
function multipart(metadata: object, bytes: Buffer, type: string): { type: string; bytes: Buffer } {
  const boundary = randomBytes(24).toString('hex');
  const part = (contentType: string): string => `--${boundary}\r\ncontent-type: ${contentType}\r\n\r\n`;
  const head = `${part('application/json; charset=UTF-8')}${JSON.stringify(metadata)}\r\n${part(type)}`;
  return {
    type: `multipart/related; boundary=${boundary}`,
    bytes: Buffer.concat([Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]),
  };
}
