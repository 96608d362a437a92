import { z } from 'zod';
import { splitCertificates } from '../../src/pki/pem.js';
import { PkiError } from '../../src/pki/pki-error.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Options } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { serviceOptions } from '../../src/plugin-api/service-options.js';
import { defineSource, type Found, type FoundEndpoint, pollRateOption } from '../../src/plugin-api/source.js';
import { findsOf } from '../../src/plugin-api/source-parts.js';
import { atEvery } from '../../src/plugin-api/targets.js';
import { demandToken, isMissing, KubernetesApi } from './kubernetes-api.client.js';
import { clusterToken, clusterUrl, namespaceName } from './kubernetes.options.js';

const options = z.strictObject({
  url: clusterUrl,
  token: clusterToken('may list secrets and ingresses'),
  namespaces: z.array(namespaceName).max(200).default([]).meta({
    title: 'Namespaces',
    description: 'Namespaces to look at. Empty: all, which needs a cluster role.',
  }),
  labelSelector: z.string().max(1000).optional().meta({
    title: 'Label selector',
    description: 'Secrets to look at, for example environment=production. Absent: all TLS secrets.',
  }),
  ingresses: z.boolean().default(true).meta({
    title: 'Ingresses',
    description: 'Records each host of an ingress as an endpoint with the certificate of its secret.',
  }),
  readKeys: z.boolean().default(false).meta({
    title: 'Take private keys',
    description: 'Imports the private key with the certificate. Otherwise private keys are ignored.',
  }),
  pollRate: pollRateOption,
  ...serviceOptions,
});

type ClusterOptions = Options<typeof options>;

const Metadata = z.object({ name: z.string(), namespace: z.string() });
const Secret = z.object({ metadata: Metadata, data: z.record(z.string(), z.string()).nullish() });
type Secret = z.output<typeof Secret>;
const Ingress = z.object({
  metadata: Metadata,
  spec: z
    .object({
      tls: z.array(z.object({ hosts: z.array(z.string()).nullish(), secretName: z.string().nullish() })).nullish(),
    })
    .nullish(),
});

/** The hosts that ingresses serve, by the location of the secret with their certificate. */
type HostsOfSecrets = Map<string, { ingress: string; host: string }[]>;

const tlsSecrets = { fieldSelector: 'type=kubernetes.io/tls' };

/** Finds the TLS secrets of a Kubernetes cluster, and the hosts of ingresses that use them. */
export const kubernetesSource = defineSource({
  id: 'kubernetes-source',
  title: 'Kubernetes',
  description: 'Finds the certificates in TLS secrets of a cluster, and the hosts of ingresses that serve them.',
  options,

  admit: demandToken,

  async check(o, ctx) {
    const api = new KubernetesApi(o, ctx);
    await atEvery(scopesOf(o), ctx, async ({ path: scope }) => {
      await api.list(Secret, { path: `/api/v1${scope}/secrets`, query: tlsSecrets }).next();
      if (o.ingresses) await api.list(Ingress, { path: ingressesAt(scope) }).next();
    });
  },

  async *scan(o, ctx) {
    ctx.signal.throwIfAborted();
    const api = new KubernetesApi(o, ctx);
    const parts = scopesOf(o).map(({ name, path }) => ({
      location: name === '' ? '' : `${name}/`,
      finds: () => findsAt(api, path, o, ctx),
    }));
    yield* findsOf(parts, ctx);
  },
});

/** The namespaces to look at, as they stand in paths; one of an empty path for all of them. */
function scopesOf({ namespaces }: ClusterOptions): { name: string; path: string }[] {
  return namespaces.length === 0
    ? [{ name: '', path: '' }]
    : namespaces.map((name) => ({ name, path: `/namespaces/${name}` }));
}

async function* findsAt(
  api: KubernetesApi,
  scope: string,
  o: ClusterOptions,
  ctx: PluginContext,
): AsyncGenerator<Found> {
  const hosts = new Map(o.ingresses ? await hostsOfSecrets(api, scope) : []);
  const query = { ...tlsSecrets, labelSelector: o.labelSelector };
  for await (const found of api.list(Secret, { path: `/api/v1${scope}/secrets`, query })) {
    ctx.signal.throwIfAborted();
    yield* findsIn(found, hosts, o);
    hosts.delete(locationOf(found));
  }
  yield* served(api, hosts, ctx);
}

function ingressesAt(scope: string): string {
  return `/apis/networking.k8s.io/v1${scope}/ingresses`;
}

function locationOf({ metadata: { namespace, name } }: Pick<Secret, 'metadata'>): string {
  return `${namespace}/${name}`;
}

async function hostsOfSecrets(api: KubernetesApi, scope: string): Promise<HostsOfSecrets> {
  const hosts: HostsOfSecrets = new Map();
  for await (const { metadata, spec } of api.list(Ingress, { path: ingressesAt(scope) })) {
    for (const { hosts: names, secretName } of spec?.tls ?? []) {
      // Without a secret the controller serves its own certificate, which the cluster does not name.
      const location = secretName == null ? '' : `${metadata.namespace}/${secretName}`;
      const ingress = `${metadata.namespace}/${metadata.name}`;
      hosts.set(location, [...(hosts.get(location) ?? []), ...(names ?? []).map((host) => ({ ingress, host }))]);
    }
  }
  return hosts;
}

function findsIn(found: Secret, hosts: HostsOfSecrets, { readKeys }: ClusterOptions): Found[] {
  const location = locationOf(found);
  const chainPem = chainOf(found);
  if (chainPem === null)
    return [
      { kind: 'trouble', location, detail: 'Its tls.crt holds no certificate that can be read.' },
      ...endpointsOf(hosts.get(location) ?? [], []),
    ];
  const key = readKeys ? textOf(found, 'tls.key') : '';
  return [
    { kind: 'certificate', location, chainPem, ...(key !== '' && { privateKeyPem: key }) },
    ...endpointsOf(hosts.get(location) ?? [], chainPem),
  ];
}

/** The endpoints whose secrets the label selector leaves out, or do not exist. */
async function* served(api: KubernetesApi, hosts: HostsOfSecrets, ctx: PluginContext): AsyncGenerator<Found> {
  for (const [location, places] of hosts) {
    ctx.signal.throwIfAborted();
    const [namespace = '', name = ''] = location.split('/');
    if (location === '') yield* endpointsOf(places, []);
    else yield* endpointsOf(places, (await chainAt(api, `/api/v1/namespaces/${namespace}/secrets/${name}`)) ?? []);
  }
}

async function chainAt(api: KubernetesApi, path: string): Promise<string[] | null> {
  try {
    return chainOf(await api.ask(Secret, { path }));
  } catch (error) {
    if (isMissing(error, 'secrets')) return null;
    // A role may allow to list secrets by a label, and not to get others.
    if (error instanceof PluginError && error.fault === 'misconfigured') return null;
    throw error;
  }
}

function endpointsOf(places: readonly { ingress: string; host: string }[], chainPem: string[]): FoundEndpoint[] {
  return places.map(({ ingress, host }) => ({
    kind: 'endpoint',
    externalId: `${ingress}/${host}`,
    name: host,
    dnsName: host,
    port: 443,
    type: 'kubernetes-ingress',
    aliases: [],
    chainPem,
    protocol: null,
    cipher: null,
    policy: { name: 'ingress', ciphers: [] },
  }));
}

function chainOf(found: Secret): string[] | null {
  try {
    return splitCertificates(textOf(found, 'tls.crt'));
  } catch (error) {
    if (error instanceof PkiError) return null;
    throw error;
  }
}

function textOf({ data }: Secret, name: string): string {
  return Buffer.from(data?.[name] ?? '', 'base64').toString('latin1');
}
