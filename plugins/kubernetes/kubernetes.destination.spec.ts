import { describe, expect, it } from 'vitest';
import type { Bundle } from '../../src/plugin-api/export.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { kubernetesToken } from '../../test/fakes/kubernetes.js';
import type { StandInFault } from '../../test/fakes/stand-in.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { clusterOfEachTest, encoded } from '../../test/support/kubernetes-cluster.js';
import { describeKubernetes } from '../../test/support/kubernetes-suite.js';
import { networkContext } from '../../test/support/signing-ca.js';
import { kubernetes } from './kubernetes.destination.js';

const its = clusterOfEachTest();

const options = (changed: object = {}) =>
  kubernetes.options.parse({ url: its.cluster.url, token: kubernetesToken, timeoutS: 60, ...changed });
const deliver = (bundle: Bundle, changed: object = {}, ctx: PluginContext = networkContext()) =>
  kubernetes.deliver({ bundle, files: [], round: '1.1' }, options(changed), ctx);
const remove = async (bundle: Bundle, changed: object = {}, ctx: PluginContext = networkContext()): Promise<void> => {
  const location = kubernetes.locate({ bundle, fileNames: [] }, options(changed));
  await kubernetes.remove?.({ bundle, location, files: [], round: '1.1' }, options(changed), ctx);
};
const verdict = (bundle: Bundle, changed: object = {}) =>
  kubernetes.verify?.({ bundle, location: at, files: [], round: '1.1' }, options(changed), networkContext());
const valuesOf = (bundle: Bundle): object => ({
  type: 'kubernetes.io/tls',
  'label.app.kubernetes.io/managed-by': 'perennial',
  'data.tls.crt': encoded(...bundle.chainPem),
  'data.tls.key': encoded(bundle.privateKeyPem ?? ''),
});
const at = 'default/www.example.com';
const issue = (): Required<Omit<Bundle, 'rootPem'>> => its.authority.issue('www.example.com');

describeKubernetes(() => ({
  options: { url: its.cluster.url, token: kubernetesToken, timeoutS: 60 },
  without: async (right) => {
    its.cluster.denied.add(right);
    return kubernetesToken;
  },
  edit: async (place, fields) => its.cluster.edit(place, fields),
  addIngress: async (place, tls) => void its.cluster.ingresses.set(place, tls),
  valuesOf: async (place) => its.cluster.valuesOf(place),
  versionOf: async (place) => its.cluster.secrets.get(place)?.version.toString(),
  clear: async () => {
    its.cluster.secrets.clear();
    its.cluster.ingresses.clear();
  },
}));

describe('the options of kubernetes', () => {
  it.each([
    { url: 'https://u:p@k8s.example.com' },
    { namespace: 'a/b' },
    { namespace: 'Web' },
    { name: '{commonName}_tls' },
    { name: '{name}' },
    { name: '../x' },
    { token: '' },
    { other: 1 },
  ])('refuse %j', (changed) => {
    expect(kubernetes.options.safeParse({ url: its.cluster.url, token: 'x', ...changed }).success).toBe(false);
  });
});

describe('kubernetes without a token of its own', () => {
  const o = { token: undefined };
  const withTokens = (...tokens: (string | null)[]): PluginContext => {
    const context = networkContext();
    const tokenFor = (address: string) =>
      Promise.resolve(address === its.cluster.url ? ((tokens.length > 1 ? tokens.shift() : tokens[0]) ?? null) : null);
    return { ...context, site: { ...context.site, tokenFor } };
  };

  it('takes the one that the operator keeps for the address, anew for each request', async () => {
    const bundle = issue();
    const old = withTokens('the-token-of-before', kubernetesToken);
    const error = await failureOf(deliver(bundle, o, old), ['the-token-of-before']);
    expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining('401')]);
    await deliver(bundle, o, old);
    expect(its.cluster.valuesOf(at)).toEqual(valuesOf(bundle));
    await kubernetes.check?.(options(o), withTokens(kubernetesToken));
  });

  it('is not admitted where there is none, and sends nothing', async () => {
    for (const work of [() => kubernetes.admit?.(options(o), withTokens(null)), () => deliver(issue(), o)]) {
      const error = await failureOf(Promise.resolve(work()));
      expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining('SERVICE_FILES')]);
    }
    expect(its.cluster.seen).toEqual([]);
    await kubernetes.admit?.(options(o), withTokens(kubernetesToken));
    await kubernetes.admit?.(options(), withTokens(null));
  });
});

describe('kubernetes delivers', () => {
  it('and tells of a cluster that changes what is applied', async () => {
    its.cluster.mutate = (fields) => fields.set('data.tls.crt', encoded('changed'));
    const error = await failureOf(deliver(issue()));
    expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining(`the secret ${at}`)]);
  });

  it.each([
    ['no key', { privateKeyPem: undefined }],
    ['the key of another', { privateKeyPem: 'other' }],
  ])('no bundle with %s, and asks the cluster nothing', async (_, { privateKeyPem }) => {
    const key = privateKeyPem === undefined ? undefined : its.authority.issue('other.example.com').privateKeyPem;
    expect((await failureOf(deliver({ ...issue(), privateKeyPem: key }))).fault).toBe('refused');
    expect(its.cluster.seen).toEqual([]);
  });
});

describe('kubernetes reads back', () => {
  it('nothing that a cluster does not tell', async () => {
    const failed = async (changed: object): Promise<string> =>
      (await failureOf(verdict(issue(), changed) ?? Promise.resolve(), [kubernetesToken])).fault;
    its.cluster.fail({ on: /^GET /, kind: 'drop' });
    expect(await failed({})).toBe('unavailable');
    its.cluster.denied.add('get');
    expect(await failed({})).toBe('misconfigured');
    expect(await failed({ namespace: 'web' })).toBe('misconfigured');
  });
});

describe('kubernetes removes', () => {
  it.each<[string, object, StandInFault['kind'], string]>([
    ['an address below which there is no cluster', { path: '/other' }, { status: 200 }, 'misconfigured'],
    ['a proxy', {}, { status: 404, body: '<html>', headers: { 'content-type': 'text/html' } }, 'unavailable'],
  ])('nothing, and does not take 404 of %s for an answer', async (_, { path = '' }: { path?: string }, kind, fault) => {
    const bundle = issue();
    await deliver(bundle);
    if (path === '') its.cluster.fail({ on: /^GET /, kind });
    expect((await failureOf(remove(bundle, { url: `${its.cluster.url}${path}` }))).fault).toBe(fault);
    expect(its.cluster.valuesOf(at)).toEqual(valuesOf(bundle));
  });

  it('nothing in another namespace than that of the options', async () => {
    const removal = { bundle: issue(), location: 'web/www.example.com', files: [], round: '1.1' };
    const work = kubernetes.remove?.(removal, options(), networkContext()) ?? Promise.resolve();
    expect((await failureOf(work)).fault).toBe('misconfigured');
  });
});

describe('kubernetes fails', () => {
  it.each<[string, StandInFault['kind']]>([
    ['breaks the connection', 'drop'],
    ['breaks the connection after the work', 'lose'],
    ['does not answer', 'hang'],
    ['is overloaded', { status: 429, body: { kind: 'Status', message: 'too many requests' } }],
    ['has no quorum', { status: 500, body: { kind: 'Status', message: 'etcdserver: request timed out' } }],
    ['saw another writer', { status: 409, body: { kind: 'Status', message: 'the object has been modified' } }],
    ['is a proxy without a server', { status: 404, body: '<html>', headers: { 'content-type': 'text/html' } }],
  ])('for a while at a cluster that %s', async (_, kind) => {
    const bundle = issue();
    its.cluster.fail({ on: /^PATCH /, kind });
    const failing = deliver(bundle, kind === 'hang' ? { timeoutS: 1 } : {});
    expect((await failureOf(failing, [kubernetesToken])).fault).toBe('unavailable');
    await deliver(bundle);
    expect(its.cluster.valuesOf(at)).toEqual(valuesOf(bundle));
  });
});
