import { createPrivateKey, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubernetes } from '../../plugins/kubernetes/kubernetes.destination.js';
import { kubernetesSource } from '../../plugins/kubernetes/kubernetes.source.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { Found } from '../../src/plugin-api/source.js';
import { scanned, startTestAuthority, type TestAuthority } from './bundles.js';
import { failureOf } from './issuer-faults.js';
import { encoded } from './kubernetes-cluster.js';
import { networkContext } from './signing-ca.js';

/** An API server with the namespaces `default` and `web`, which has no secrets of its own there. */
export interface KubernetesBench {
  /** Address, CA, and a token that may do in both namespaces what the manual says, and list secrets and ingresses. */
  options: Record<string, unknown>;
  /** A token that may do the same, except for this verb on secrets, or `list ingresses`. */
  without(right: string): Promise<string>;
  /** What another writer (`kubectl`) does to a secret: these fields change, whoever managed them. */
  edit(at: string, fields: Readonly<Record<string, string>>): Promise<void>;
  addIngress(at: string, tls: object[]): Promise<void>;
  /** `type`, `data.NAME` and `label.NAME` of a secret; undefined when there is none. */
  valuesOf(at: string): Promise<Record<string, string> | undefined>;
  /** The resource version of a secret. */
  versionOf(at: string): Promise<string | undefined>;
  /** Deletes all secrets and ingresses of both namespaces. */
  clear(): Promise<void>;
}

const at = 'default/www.example.com';
const type = 'kubernetes.io/tls';

/** A context in which another writer acts right before the first request of this method. */
function racing(method: string, act: () => Promise<void>): PluginContext {
  const { site, ...rest } = networkContext();
  let isFirst = true;
  const fetch: typeof site.fetch = async (url, request) => {
    if (request?.method === method && isFirst) {
      isFirst = false;
      await act();
    }
    return site.fetch(url, request);
  };
  return { ...rest, site: { ...site, fetch } };
}

const valuesFor = ({ chainPem, privateKeyPem = '' }: Bundle): object => ({
  type,
  'label.app.kubernetes.io/managed-by': 'perennial',
  'data.tls.crt': encoded(...chainPem),
  'data.tls.key': encoded(privateKeyPem),
});

/** What an API server must do with deliveries. */
export function describeKubernetes(bench: () => KubernetesBench): void {
  let authority: TestAuthority;
  beforeAll(() => {
    authority = startTestAuthority();
  });
  afterAll(() => authority?.close());
  const issue = (): Required<Omit<Bundle, 'rootPem'>> => authority.issue('www.example.com');
  const options = (changed: object) => kubernetes.options.parse({ ...bench().options, ...changed });
  const deliver = (bundle: Bundle, changed: object = {}) =>
    kubernetes.deliver({ bundle, files: [], round: '1.1' }, options(changed), networkContext());
  const remove = async (bundle: Bundle, changed: object = {}, ctx = networkContext()): Promise<void> => {
    const location = kubernetes.locate({ bundle, fileNames: [] }, options(changed));
    await kubernetes.remove?.({ bundle, location, files: [], round: '1.1' }, options(changed), ctx);
  };
  const verdict = (bundle: Bundle) =>
    kubernetes.verify?.({ bundle, location: at, files: [], round: '1.1' }, options({}), networkContext());
  const checked = async (changed: object = {}): Promise<void> => kubernetes.check?.(options(changed), networkContext());

  describe('kubernetes', () => {
    it('delivers a TLS secret with the full chain and the key that fits', async () => {
      await bench().clear();
      const bundle = issue();
      expect(await deliver(bundle)).toEqual({ location: at });
      const values = (await bench().valuesOf(at)) ?? {};
      expect(values).toEqual(valuesFor(bundle));
      const pem = (name: string): string => Buffer.from(values[name] ?? '', 'base64').toString();
      const leaf = new X509Certificate(pem('data.tls.crt'));
      expect(leaf.checkPrivateKey(createPrivateKey(pem('data.tls.key')))).toBe(true);
    });

    it('delivers to the namespace and under the name of the options', async () => {
      const bundle = authority.issue('*.example.com');
      const { location } = await deliver(bundle, { namespace: 'web', name: '{commonName}-tls' });
      expect(location).toBe('web/wildcard.example.com-tls');
      expect(await bench().valuesOf(location)).toEqual(valuesFor(bundle));
    });

    it('delivers a successor in place of its predecessor, beside what others added', async () => {
      await bench().clear();
      const [before, after] = [issue(), issue()];
      await deliver(before);
      const others = { 'data.ca.crt': encoded('of another'), 'label.team': 'web' };
      await bench().edit(at, others);
      await deliver(after);
      expect(await bench().valuesOf(at)).toEqual({ ...valuesFor(after), ...others });
    });

    it('changes nothing when it delivers the same certificate again', async () => {
      const bundle = issue();
      await deliver(bundle);
      const version = await bench().versionOf(at);
      await deliver(bundle);
      expect(await bench().versionOf(at)).toBe(version);
    });

    it('takes fields over that another manages only where that is allowed', async () => {
      await bench().clear();
      const bundle = issue();
      const theirs = { type, 'data.tls.crt': encoded('theirs'), 'data.tls.key': encoded('theirs') };
      await bench().edit(at, theirs);
      const error = await failureOf(deliver(bundle));
      expect([error.fault, error.detail]).toEqual([
        'misconfigured',
        expect.stringMatching(/conflicts with "kubectl".*\.data\.tls\.crt.*allow to overwrite/s),
      ]);
      expect(await bench().valuesOf(at)).toEqual(theirs);
      await deliver(bundle, { overwrite: true });
      expect(await bench().valuesOf(at)).toEqual(valuesFor(bundle));
      await deliver(issue());
    });

    it('delivers nothing to a secret of another type, whose type cannot change', async () => {
      await bench().clear();
      await bench().edit(at, { type: 'Opaque', 'data.x': encoded('x') });
      const error = await failureOf(deliver(issue(), { overwrite: true }));
      expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining('field is immutable')]);
    });

    it('reads back whether the secret holds the certificate, its chain and its key', async () => {
      await bench().clear();
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
        await bench().edit(at, changed);
        expect(await verdict(bundle)).toEqual({ state: 'different', detail: `The secret ${at} ${words}` });
      }
    });

    it('removes the secret, once and again', async () => {
      await bench().clear();
      const bundle = issue();
      await deliver(bundle);
      await remove(bundle);
      await remove(bundle);
      expect(await bench().valuesOf(at)).toBeUndefined();
    });

    it('removes certificate and key alone where others added keys to the secret', async () => {
      const bundle = issue();
      await deliver(bundle);
      await bench().edit(at, { 'data.ca.crt': encoded('of another') });
      await remove(bundle);
      await remove(bundle);
      expect(await bench().valuesOf(at)).toMatchObject({
        'data.tls.crt': '',
        'data.tls.key': '',
        'data.ca.crt': encoded('of another'),
      });
      await deliver(bundle);
      expect(await bench().valuesOf(at)).toMatchObject(valuesFor(bundle));
    });

    it('removes no successor, and no certificate that it has not applied', async () => {
      await bench().clear();
      const [before, after] = [issue(), issue()];
      await deliver(before);
      await deliver(after);
      await remove(before);
      expect(await bench().valuesOf(at)).toEqual(valuesFor(after));
      const theirs = { type, 'data.tls.crt': encoded(...before.chainPem), 'data.tls.key': '' };
      await bench().edit('web/www.example.com', theirs);
      await remove(before, { namespace: 'web' });
      expect(await bench().valuesOf('web/www.example.com')).toEqual(theirs);
    });

    it('removes nothing that has changed since it looked, and takes what is gone for removed', async () => {
      await bench().clear();
      const bundle = issue();
      await deliver(bundle);
      const late = racing('DELETE', () => bench().edit(at, { 'data.ca.crt': encoded('late') }));
      expect((await failureOf(remove(bundle, {}, late))).fault).toBe('unavailable');
      await remove(bundle, {}, late);
      expect(await bench().valuesOf(at)).toMatchObject({ 'data.tls.key': '', 'data.ca.crt': encoded('late') });
      await bench().clear();
      await deliver(bundle);
      await remove(
        bundle,
        {},
        racing('DELETE', () => bench().clear()),
      );
    });

    it.each([
      ['a wrong token', { token: 'WrongToken-1' }, /Unauthorized/],
      ['a namespace that there is not', { namespace: 'nope' }, /nope/],
    ])('fails until a person acts for %s, also in the test of the connection', async (_, changed, words) => {
      for (const work of [() => deliver(issue(), changed), () => checked(changed)]) {
        const error = await failureOf(work(), ['WrongToken-1']);
        expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringMatching(words)]);
      }
    });

    it('stores nothing in a test of the connection', async () => {
      await bench().clear();
      await checked();
      expect(await bench().valuesOf(at)).toBeUndefined();
    });

    it.each(['get', 'patch', 'create', 'delete'])('tells of a token that may not %s secrets', async (verb) => {
      const token = await bench().without(verb);
      expect((await failureOf(checked({ token }))).fault).toBe('misconfigured');
    });
  });
  describeSource(bench, () => authority);
}

/** What an API server must show of its secrets and ingresses. */
function describeSource(bench: () => KubernetesBench, authority: () => TestAuthority): void {
  const options = (changed: object) =>
    kubernetesSource.options.parse({ ...bench().options, namespaces: ['default', 'web'], ...changed });
  const scan = (changed: object = {}): Promise<Found[]> =>
    scanned(kubernetesSource, options(changed), networkContext());
  const tls = (place: string, certificate: string, privateKey = 'key', more: object = {}): Promise<void> =>
    bench().edit(place, {
      type,
      'data.tls.crt': encoded(certificate),
      'data.tls.key': encoded(privateKey),
      ...more,
    });
  const places = (found: readonly Found[]): string[] =>
    found.flatMap((one) => (one.kind === 'certificate' ? [one.location] : []));

  describe('kubernetes-source', () => {
    it('finds TLS secrets with their chains, and their keys only when an option permits it', async () => {
      await bench().clear();
      const { chainPem, privateKeyPem } = authority().issue('www.test');
      await tls('web/www', chainPem.join(''), privateKeyPem);
      await bench().edit('web/opaque', { type: 'Opaque', 'data.tls.crt': encoded(chainPem.join('')) });
      expect(await scan()).toEqual([{ kind: 'certificate', location: 'web/www', chainPem }]);
      expect(await scan({ readKeys: true })).toEqual([
        { kind: 'certificate', location: 'web/www', chainPem, privateKeyPem },
      ]);
    });

    it('reads every page, of the namespaces and labels of its options', async () => {
      await bench().clear();
      const [leaf = ''] = authority().issue('many.test').chainPem;
      for (let n = 0; n < 120; n += 1) await tls(`web/s${n}`, leaf);
      await tls('default/www', leaf, 'key', { 'label.env': 'prod' });
      expect(new Set(places(await scan())).size).toBe(121);
      expect(places(await scan({ namespaces: ['web'] }))).toHaveLength(120);
      expect(places(await scan({ labelSelector: 'env=prod' }))).toEqual(['default/www']);
    });

    it('records each host of an ingress with the certificate of its secret', async () => {
      await bench().clear();
      const { chainPem } = authority().issue('www.test');
      await tls('web/www', chainPem.join(''), 'key', { 'label.env': 'other' });
      await bench().addIngress('web/site', [
        { hosts: ['www.test', '*.www.test'], secretName: 'www' },
        { hosts: ['gone.test'], secretName: 'gone' },
        { hosts: ['default.test'] },
      ]);
      const served = async (changed: object = {}) =>
        (await scan(changed)).flatMap((one) => (one.kind === 'endpoint' ? [[one.externalId, one.chainPem]] : []));
      const expected = [
        ['web/site/www.test', chainPem],
        ['web/site/*.www.test', chainPem],
        ['web/site/gone.test', []],
        ['web/site/default.test', []],
      ];
      expect(await served()).toEqual(expected);
      // A secret that the selector leaves out is read for its ingress.
      expect(await served({ labelSelector: 'env=prod' })).toEqual(expected);
      expect(await served({ ingresses: false })).toEqual([]);
      expect((await failureOf(scan({ token: await bench().without('list ingresses') }))).fault).toBe('misconfigured');
      await bench().clear();
    });
  });
}
