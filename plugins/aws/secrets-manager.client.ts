import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { AwsAccess } from './aws-credentials.js';
import { AwsService, unlessAws } from './aws.client.js';
import { serviceIn } from './aws-request.js';

const Described = z.object({
  Tags: z.array(z.object({ Key: z.string(), Value: z.string() })).nullish(),
  DeletedDate: z.unknown().optional(),
});
const Value = z.object({ SecretString: z.string().nullish(), VersionId: z.string() });
const Nothing = z.unknown();
const ours = { Key: 'managed-by', Value: 'perennial' };

/** The current value of a secret. */
export interface SecretVersion {
  text: string;
  versionId: string;
}

/** The secrets of one region. Every method throws PluginError. */
export class AwsSecrets {
  private readonly service: AwsService;

  constructor(access: AwsAccess, ctx: PluginContext) {
    const service = serviceIn(access.region, 'AWS Secrets Manager', 'secretsmanager');
    this.service = new AwsService(service, access, ctx);
  }

  /** Whether this program made the secret; null when there is none. `unavailable`: it is about to be deleted. */
  async isOurs(name: string): Promise<boolean | null> {
    const call = this.call(Described, 'DescribeSecret', { SecretId: name });
    const found = await unlessAws(call, 'ResourceNotFound');
    if (found === null) return null;
    if (found.DeletedDate !== undefined && found.DeletedDate !== null) throw aboutToGo(name);
    return (found.Tags ?? []).some(({ Key, Value: value }) => Key === ours.Key && value === ours.Value);
  }

  /** The current value; null when there is none. */
  async read(name: string): Promise<SecretVersion | null> {
    const call = this.call(Value, 'GetSecretValue', { SecretId: name });
    const found = await unlessAws(call, 'ResourceNotFound');
    return found && { text: found.SecretString ?? '', versionId: found.VersionId };
  }

  /** `unavailable`: a secret of this name is about to be deleted, for a while also after `delete`. */
  async create(name: string, text: string, kmsKeyId: string | undefined): Promise<void> {
    const created = this.call(Nothing, 'CreateSecret', {
      Name: name,
      SecretString: text,
      ClientRequestToken: tokenOf(text, ''),
      Tags: [ours],
      ...(kmsKeyId !== undefined && { KmsKeyId: kmsKeyId }),
    });
    if ((await unlessAws(created, 'InvalidRequest')) === null) throw aboutToGo(name);
  }

  /** Adds a version that becomes the current one. The same request again, after a lost answer, adds no second one. */
  async put(name: string, text: string, before: SecretVersion | null): Promise<void> {
    const token = tokenOf(text, before?.versionId ?? '');
    await this.call(Nothing, 'PutSecretValue', { SecretId: name, SecretString: text, ClientRequestToken: token });
  }

  /** At once, with all versions: they hold the keys of predecessors. */
  async delete(name: string): Promise<void> {
    await this.call(Nothing, 'DeleteSecret', { SecretId: name, ForceDeleteWithoutRecovery: true });
  }

  private call<T>(shape: z.ZodType<T>, action: string, input: object): Promise<T> {
    return this.service.json(shape, `secretsmanager.${action}`, input);
  }
}

function aboutToGo(name: string): PluginError {
  return new PluginError('unavailable', `The secret ${name} is about to be deleted: restore it, or wait.`);
}

/**
 * Becomes the id of the version. It depends on the version before: Secrets Manager ignores a token that it knows, and a
 * value that comes back would not become the current one.
 */
function tokenOf(text: string, before: string): string {
  return createHash('sha256').update(`${before}\n${text}`).digest('hex');
}
