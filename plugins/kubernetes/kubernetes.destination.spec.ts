import { createPrivateKey, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Bundle } from '../../src/plugin-api/export.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { kubernetesToken } from '../../test/fakes/kubernetes.js';
import type { StandInFault } from '../../test/fakes/stand-in.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { clusterOfEachTest, encoded } from '../../test/support/kubernetes-cluster.js';
import { networkContext } from '../../test/support/signing-ca.js';
import { kubernetes } from './kubernetes.destination.js';

const its = clusterOfEachTest();

const options = (changed: object = {}) =>
  kubernetes.options.parse({ url: its.cluster.url, token: kubernetesToken, timeoutS: 1, ...changed });
const deliver = (bundle: Bundle, changed: object = {}, ctx: PluginContext = networkContext()) =>
  kubernetes.deliver({ bundle, files: [] }, options(changed), ctx);
const remove = async (bundle: Bundle, changed: object = {}, ctx: PluginContext = networkContext()): Promise<void> => {
  const location = kubernetes.locate({ bundle, fileNames: [] }, options(changed));
  await kubernetes.remove?.({ bundle, location, files: [] }, options(changed), ctx);
};
const verdict = (bundle: Bundle, changed: object = {}) =>
  kubernetes.verify?.({ bundle, location: at, files: [] }, options(changed), networkContext());
const checked = async (changed: object = {}): Promise<void> => kubernetes.check?.(options(changed), networkContext());
const valuesOf = (bundle: Bundle): object => ({
  type: 'kubernetes.io/tls',
  'label.app.kubernetes.io/managed-by': 'perennial',
  'data.tls.crt': encoded(...bundle.chainPem),
  'data.tls.key': encoded(bundle.privateKeyPem ?? ''),
});
const at = 'default/www.example.com';
const issue = (): Required<Omit<Bundle, 'rootPem'>> => its.authority.issue('www.example.com');
/** A context in which another writer acts right before the first request of this method. */
function racing(method: string, act: () => void): PluginContext {
  const { site, ...rest } = networkContext();
  let isFirst = true;
  return {
    ...rest,
    site: {
      ...site,
      fetch: (url, request) => {
        if (request?.method === method && isFirst) {
          isFirst = false;
          act();
        }
        return site.fetch(url, request);
      },
    },
  };
}

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

describe('kubernetes delivers', () => {
  it('a TLS secret with the full chain and the key that fits', async () => {
    const bundle = issue();
    expect(await deliver(bundle)).toEqual({ location: at });
    const values = its.cluster.valuesOf(at) ?? {};
    expect(values).toEqual(valuesOf(bundle));
    const pem = (name: string): string => Buffer.from(values[name] ?? '', 'base64').toString();
    const leaf = new X509Certificate(pem('data.tls.crt'));
    expect(leaf.checkPrivateKey(createPrivateKey(pem('data.tls.key')))).toBe(true);
  });

  it('to the namespace and under the name of the options', async () => {
    const bundle = its.authority.issue('*.example.com');
    const { location } = await deliver(bundle, { namespace: 'web', name: '{commonName}-tls' });
    expect(location).toBe('web/wildcard.example.com-tls');
    expect([...its.cluster.secrets.keys()]).toEqual([location]);
  });

  it('a successor in place of its predecessor, beside what others added', async () => {
    const [before, after] = [issue(), issue()];
    await deliver(before);
    its.cluster.edit(at, { 'data.ca.crt': encoded('of another'), 'label.team': 'web' });
    await deliver(after);
    const others = { 'data.ca.crt': encoded('of another'), 'label.team': 'web' };
    expect(its.cluster.valuesOf(at)).toEqual({ ...valuesOf(after), ...others });
  });

  it('the same certificate again without a change', async () => {
    const bundle = issue();
    await deliver(bundle);
    const version = its.cluster.secrets.get(at)?.version;
    await deliver(bundle);
    expect(its.cluster.secrets.get(at)?.version).toBe(version);
  });

  it('over fields that another manages only where that is allowed', async () => {
    const bundle = issue();
    const theirs = { type: 'kubernetes.io/tls', 'data.tls.crt': encoded('theirs'), 'data.tls.key': encoded('theirs') };
    its.cluster.edit(at, theirs);
    const error = await failureOf(deliver(bundle));
    expect([error.fault, error.detail]).toEqual([
      'misconfigured',
      expect.stringMatching(/conflicts with "kubectl".*\.data\.tls\.crt.*allow to overwrite/),
    ]);
    expect(its.cluster.valuesOf(at)).toEqual(theirs);
    await deliver(bundle, { overwrite: true });
    expect(its.cluster.valuesOf(at)).toEqual(valuesOf(bundle));
    await deliver(issue());
  });

  it('nothing to a secret of another type, whose type cannot change', async () => {
    its.cluster.edit(at, { type: 'Opaque', 'data.x': encoded('x') });
    const error = await failureOf(deliver(issue(), { overwrite: true }));
    expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining('field is immutable')]);
  });

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
  it('whether the secret holds the certificate, its chain and its key', async () => {
    const bundle = issue();
    expect(await verdict(bundle)).toEqual({ state: 'missing' });
    await deliver(bundle);
    expect(await verdict(bundle)).toEqual({ state: 'same' });
    const [leaf = ''] = bundle.chainPem;
    for (const [changed, words] of [
      [{ 'data.tls.crt': encoded(...issue().chainPem) }, 'holds another certificate.'],
      [{ 'data.tls.crt': encoded(leaf) }, 'holds another certificate chain.'],
      [{ 'data.tls.key': encoded(issue().privateKeyPem) }, 'holds no private key of the certificate.'],
      [{ 'data.tls.crt': encoded('none') }, 'holds another certificate.'],
    ] as const) {
      await deliver(bundle, { overwrite: true });
      its.cluster.edit(at, changed);
      expect(await verdict(bundle)).toEqual({ state: 'different', detail: `The secret ${at} ${words}` });
    }
    its.cluster.secrets.clear();
    expect(await verdict(bundle)).toEqual({ state: 'missing' });
  });

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
  it('the secret, once and again', async () => {
    const bundle = issue();
    await deliver(bundle);
    await remove(bundle);
    await remove(bundle);
    expect(its.cluster.secrets.size).toBe(0);
  });

  it('certificate and key alone where others added keys to the secret', async () => {
    const bundle = issue();
    await deliver(bundle);
    its.cluster.edit(at, { 'data.ca.crt': encoded('of another') });
    await remove(bundle);
    await remove(bundle);
    expect(its.cluster.valuesOf(at)).toMatchObject({
      'data.tls.crt': '',
      'data.tls.key': '',
      'data.ca.crt': encoded('of another'),
    });
    await deliver(bundle);
    expect(its.cluster.valuesOf(at)).toMatchObject(valuesOf(bundle));
  });

  it('no successor, and no certificate that it has not applied', async () => {
    const [before, after] = [issue(), issue()];
    await deliver(before);
    await deliver(after);
    await remove(before);
    expect(its.cluster.valuesOf(at)).toEqual(valuesOf(after));
    const theirs = { type: 'kubernetes.io/tls', 'data.tls.crt': encoded(...before.chainPem), 'data.tls.key': '' };
    its.cluster.edit('web/www.example.com', theirs);
    await remove(before, { namespace: 'web' });
    expect(its.cluster.valuesOf('web/www.example.com')).toEqual(theirs);
  });

  it('nothing that has changed since it looked', async () => {
    const bundle = issue();
    await deliver(bundle);
    const ctx = racing('DELETE', () => its.cluster.edit(at, { 'data.ca.crt': encoded('late') }));
    expect((await failureOf(remove(bundle, {}, ctx))).fault).toBe('unavailable');
    await remove(bundle, {}, ctx);
    expect(its.cluster.valuesOf(at)).toMatchObject({ 'data.tls.key': '', 'data.ca.crt': encoded('late') });
  });

  it('what is gone when it deletes', async () => {
    const bundle = issue();
    await deliver(bundle);
    await remove(
      bundle,
      {},
      racing('DELETE', () => its.cluster.secrets.clear()),
    );
  });

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
    const removal = { bundle: issue(), location: 'web/www.example.com', files: [] };
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
    expect((await failureOf(deliver(bundle), [kubernetesToken])).fault).toBe('unavailable');
    await deliver(bundle);
    expect(its.cluster.valuesOf(at)).toEqual(valuesOf(bundle));
  });

  it.each([
    ['a wrong token', { token: 'WrongToken-1' }, /Unauthorized/],
    ['a namespace that there is not', { namespace: 'nope' }, /namespaces "nope" not found/],
  ])('until a person acts for %s, also in the test of the connection', async (_, changed, words) => {
    for (const work of [() => deliver(issue(), changed), () => checked(changed)]) {
      const error = await failureOf(work(), [kubernetesToken, 'WrongToken-1']);
      expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringMatching(words)]);
    }
  });
});

describe('the test of the connection', () => {
  it('stores nothing', async () => {
    await checked();
    expect(its.cluster.secrets.size).toBe(0);
  });

  it.each(['get', 'patch', 'create', 'delete'])('tells of a token that may not %s secrets', async (verb) => {
    its.cluster.denied.add(verb);
    expect((await failureOf(checked())).fault).toBe('misconfigured');
  });
});
