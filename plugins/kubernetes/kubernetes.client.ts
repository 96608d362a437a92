import { z } from 'zod';
import { PluginError, type PluginFault } from '../../src/plugin-api/errors.js';
import { HttpFailure, type JsonCall, JsonClient } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { connectionOf } from '../../src/plugin-api/service-options.js';
import type { KubernetesOptions } from './kubernetes.options.js';

/** Who the fields belong to that this program applies, and the label by which people see it. */
const manager = 'perennial';
const managedBy = 'app.kubernetes.io/managed-by';

/** A secret has at most 1 MiB of data, which is shown in base64. */
const largestAnswer = 4 * 1024 * 1024;
const conflict = 409;
const tooLarge = 413;

const StatusBody = z.object({
  kind: z.literal('Status'),
  message: z.string().default(''),
  details: z
    .object({
      kind: z.string().optional(),
      causes: z.array(z.object({ reason: z.string().optional() })).default([]),
    })
    .nullish(),
});
const Secret = z.object({
  metadata: z.object({
    uid: z.string(),
    // The answer to a dry run has none when the secret does not exist.
    resourceVersion: z.string().default(''),
    labels: z.record(z.string(), z.string()).nullish(),
  }),
  type: z.string().optional(),
  data: z.record(z.string(), z.string()).nullish(),
});

const Review = z.object({ status: z.object({ allowed: z.boolean() }) });

/** A TLS secret (`kubernetes.io/tls`); texts are PEM, the certificate with its chain. */
export interface TlsSecret {
  certificate: string;
  privateKey: string;
}

/** A secret as the cluster holds it. */
export interface HeldSecret {
  certificate: string;
  privateKey: string;
  /** Whether this program has applied it. */
  isOurs: boolean;
  /** The keys of its data beside those of a TLS secret. */
  others: readonly string[];
  uid: string;
  resourceVersion: string;
}

/** The secrets of one namespace over the Kubernetes API. Every method throws PluginError. */
export class KubernetesSecrets {
  private readonly api: JsonClient;

  constructor(
    private readonly options: KubernetesOptions,
    ctx: PluginContext,
  ) {
    const { url, token } = options;
    this.api = new JsonClient(ctx.site, {
      name: 'Kubernetes',
      baseUrl: url,
      headers: { authorization: `Bearer ${token}` },
      connection: connectionOf(options),
      secrets: [token],
      wordsOf: (body) => StatusBody.safeParse(body).data?.message,
    });
  }

  /** Null when there is no such secret. */
  async find(name: string): Promise<HeldSecret | null> {
    try {
      return heldOf(await this.ask(Secret, { path: this.at(name) }));
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /**
   * Creates the secret, or changes these fields of it alone (server-side apply). Again, it changes nothing. Gives the
   * secret as the cluster then holds it. `dryRun`: all is checked and nothing stored.
   */
  async apply(
    name: string,
    secret: TlsSecret,
    { force, dryRun = false }: { force: boolean; dryRun?: boolean },
  ): Promise<HeldSecret> {
    const held = await this.ask(Secret, {
      method: 'PATCH',
      path: this.at(name),
      query: { fieldManager: manager, force: String(force), dryRun: dryRun ? 'All' : undefined },
      headers: { 'content-type': 'application/apply-patch+yaml' },
      json: {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name, namespace: this.options.namespace, labels: { [managedBy]: manager } },
        type: 'kubernetes.io/tls',
        data: { 'tls.crt': base64(secret.certificate), 'tls.key': base64(secret.privateKey) },
      },
    });
    return heldOf(held);
  }

  /** Deletes the secret as it was found. `unavailable` when it has changed since; gone already is done. */
  async delete(name: string, { uid, resourceVersion }: HeldSecret): Promise<void> {
    const preconditions = { uid, resourceVersion };
    try {
      await this.ask(z.unknown(), {
        method: 'DELETE',
        path: this.at(name),
        json: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions },
      });
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  /** Throws PluginError `misconfigured` unless the token may delete this secret. */
  async demandDeletion(name: string): Promise<void> {
    const { namespace } = this.options;
    const { status } = await this.ask(Review, {
      path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      json: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { namespace, verb: 'delete', resource: 'secrets', name } },
      },
    });
    if (!status.allowed)
      throw new PluginError('misconfigured', `Kubernetes does not allow this token to delete secrets in ${namespace}.`);
  }

  private async ask<T>(shape: z.ZodType<T>, call: JsonCall): Promise<T> {
    try {
      return await this.api.json(shape, { ...call, maxBytes: largestAnswer });
    } catch (error) {
      throw error instanceof HttpFailure ? new HttpFailure(faultOf(error), detailOf(error), error.answer) : error;
    }
  }

  private at(name: string): string {
    return `/api/v1/namespaces/${this.options.namespace}/secrets/${name}`;
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function heldOf({ metadata, data }: z.infer<typeof Secret>): HeldSecret {
  const { 'tls.crt': certificate = '', 'tls.key': privateKey = '', ...others } = data ?? {};
  return {
    certificate: Buffer.from(certificate, 'base64').toString(),
    privateKey: Buffer.from(privateKey, 'base64').toString(),
    isOurs: metadata.labels?.[managedBy] === manager,
    others: Object.keys(others),
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
  };
}

/** A certificate is never to blame: another writer was faster, or a person must change the cluster or the options. */
function faultOf(error: HttpFailure): PluginFault {
  const { status } = error.answer;
  if (error.fault !== 'refused' || status === tooLarge) return error.fault;
  return status === conflict && !isOwnedByAnother(error) ? 'unavailable' : 'misconfigured';
}

function detailOf(error: HttpFailure): string {
  return isOwnedByAnother(error)
    ? `${error.detail} Choose another name for the secret, or allow to overwrite these fields.`
    : error.detail;
}

/** Whether there is no such secret. A proxy, or a path that the API does not have, is answered with 404 too. */
function isMissing(error: unknown): boolean {
  if (!(error instanceof HttpFailure) || error.answer.status !== 404) return false;
  return StatusBody.safeParse(error.answer.body).data?.details?.kind === 'secrets';
}

/** A conflict that stays until a person decides whose the fields are. */
function isOwnedByAnother({ answer: { status, body } }: HttpFailure): boolean {
  const causes = StatusBody.safeParse(body).data?.details?.causes ?? [];
  return status === conflict && causes.some(({ reason }) => reason === 'FieldManagerConflict');
}
