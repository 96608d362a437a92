import { describe, expect, it } from 'vitest';
import type { Found } from '../../src/plugin-api/source.js';
import { kubernetesToken } from '../../test/fakes/kubernetes.js';
import { scanned } from '../../test/support/bundles.js';
import { clusterOfEachTest, encoded } from '../../test/support/kubernetes-cluster.js';
import { networkContext } from '../../test/support/signing-ca.js';
import { kubernetesSource } from './kubernetes.source.js';

const its = clusterOfEachTest();

const options = (changed: object = {}) =>
  kubernetesSource.options.parse({ url: its.cluster.url, token: kubernetesToken, timeoutS: 2, ...changed });
const scan = (changed: object = {}): Promise<Found[]> => scanned(kubernetesSource, options(changed), networkContext());
const tls = (at: string, certificate: string, privateKey = 'key', more: object = {}): void =>
  its.cluster.edit(at, {
    type: 'kubernetes.io/tls',
    'data.tls.crt': encoded(certificate),
    'data.tls.key': encoded(privateKey),
    ...more,
  });
const places = (found: readonly Found[], kind: Found['kind']): string[] =>
  found.filter((one) => one.kind === kind).map((one) => (one.kind === 'endpoint' ? one.externalId : one.location));

describe('the source of a Kubernetes cluster', () => {
  it('finds TLS secrets with their chains, and their keys only when an option permits it', async () => {
    const { chainPem, privateKeyPem } = its.authority.issue('www.test');
    tls('web/www', chainPem.join(''), privateKeyPem);
    its.cluster.edit('web/opaque', { type: 'Opaque', 'data.tls.crt': encoded(chainPem.join('')) });
    expect(await scan()).toEqual([{ kind: 'certificate', location: 'web/www', chainPem }]);
    expect(await scan({ readKeys: true })).toEqual([
      { kind: 'certificate', location: 'web/www', chainPem, privateKeyPem },
    ]);
  });

  it('reads every page, also when the server forgets where one ended', async () => {
    const [leaf = ''] = its.authority.issue('many.test').chainPem;
    for (let n = 0; n < 120; n += 1) tls(`web/s${n}`, leaf);
    expect(places(await scan({ ingresses: false }), 'certificate')).toHaveLength(120);
    expect(its.cluster.seen.filter((line) => line.endsWith('/secrets'))).toHaveLength(3);
    // The second page begins where the server no longer knows.
    its.cluster.fail({
      on: /secrets/,
      kind: ({ body }) => ({
        status: 200,
        body: { ...(body as { metadata: object }), metadata: { continue: 'expired' } },
      }),
    });
    expect(new Set(places(await scan({ ingresses: false }), 'certificate')).size).toBe(120);
  });

  it('looks only at the namespaces and labels of its options', async () => {
    const [leaf = ''] = its.authority.issue('www.test').chainPem;
    tls('web/www', leaf, 'key', { 'label.env': 'prod' });
    tls('web/test', leaf, 'key', { 'label.env': 'test' });
    tls('default/www', leaf, 'key', { 'label.env': 'prod' });
    expect(places(await scan({ namespaces: ['web'] }), 'certificate')).toEqual(['web/www', 'web/test']);
    expect(places(await scan({ labelSelector: 'env=prod' }), 'certificate')).toEqual(['web/www', 'default/www']);
  });

  it('records each host of an ingress with the certificate of its secret', async () => {
    const { chainPem } = its.authority.issue('www.test');
    tls('web/www', chainPem.join(''), 'key', { 'label.env': 'other' });
    its.cluster.ingresses.set('web/site', [
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
  });

  it('names a secret without a certificate, and finds the others', async () => {
    const [leaf = ''] = its.authority.issue('www.test').chainPem;
    tls('web/empty', '');
    tls('web/broken', '-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n');
    tls('web/www', leaf);
    const found = await scan();
    expect(places(found, 'trouble')).toEqual(['web/empty', 'web/broken']);
    expect(places(found, 'certificate')).toEqual(['web/www']);
  });

  it('fails as a whole when it may not list', async () => {
    its.cluster.denied.add('list ingresses');
    await expect(scan()).rejects.toMatchObject({ fault: 'misconfigured' });
    await expect(kubernetesSource.check?.(options(), networkContext())).rejects.toMatchObject({
      fault: 'misconfigured',
    });
    expect(await scan({ ingresses: false })).toEqual([]);
    await expect(scan({ token: 'another' })).rejects.toMatchObject({ fault: 'misconfigured' });
  });
});
