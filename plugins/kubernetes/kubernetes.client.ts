import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { isMissing, KubernetesApi } from './kubernetes-api.client.js';
import type { KubernetesAccess, KubernetesOptions } from './kubernetes.options.js';

/** Who the fields belong to that this program applies, and the label by which people see it. */
const manager = 'perennial';
const managedBy = 'app.kubernetes.io/managed-by';

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
  private readonly api: KubernetesApi;

  constructor(
    private readonly options: Pick<KubernetesOptions, 'namespace'> & KubernetesAccess,
    ctx: PluginContext,
  ) {
    this.api = new KubernetesApi(options, ctx);
  }

  /** Null when there is no such secret. */
  async find(name: string): Promise<HeldSecret | null> {
    try {
      return heldOf(await this.api.ask(Secret, { path: this.at(name) }));
    } catch (error) {
      if (isMissing(error, 'secrets')) return null;
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
    const held = await this.api.ask(Secret, {
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
      await this.api.ask(z.unknown(), {
        method: 'DELETE',
        path: this.at(name),
        json: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions },
      });
    } catch (error) {
      if (!isMissing(error, 'secrets')) throw error;
    }
  }

  /** Throws PluginError `misconfigured` unless the token may delete this secret. */
  async demandDeletion(name: string): Promise<void> {
    const { namespace } = this.options;
    const { status } = await this.api.ask(Review, {
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
