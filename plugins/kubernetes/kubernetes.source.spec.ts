import { describe, expect, it } from 'vitest';
import type { Found } from '../../src/plugin-api/source.js';
import { kubernetesToken } from '../../test/fakes/kubernetes.js';
import { scanned } from '../../test/support/bundles.js';
import { clusterOfEachTest, encoded } from '../../test/support/kubernetes-cluster.js';
import { networkContext } from '../../test/support/signing-ca.js';
import { kubernetesSource } from './kubernetes.source.js';

const its = clusterOfEachTest();

const options = (changed: object = {}) =>
  kubernetesSource.options.parse({ url: its.cluster.url, token: kubernetesToken, timeoutS: 60, ...changed });
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
  it('reads every page from the beginning when the server forgets where one ended', async () => {
    const [leaf = ''] = its.authority.issue('many.test').chainPem;
    for (let n = 0; n < 120; n += 1) tls(`web/s${n}`, leaf);
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

  it('names a secret without a certificate, and finds the others', async () => {
    const [leaf = ''] = its.authority.issue('www.test').chainPem;
    tls('web/empty', '');
    tls('web/broken', '-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n');
    tls('web/www', leaf);
    const found = await scan();
    expect(places(found, 'trouble')).toEqual(['web/empty', 'web/broken']);
    expect(places(found, 'certificate')).toEqual(['web/www']);
  });

  it('finds what is in the other namespaces when one cannot be read, and names that one', async () => {
    const [leaf = ''] = its.authority.issue('www.test').chainPem;
    tls('web/www', leaf);
    const only = { namespaces: ['default', 'web'], ingresses: false };
    const failing = () => its.cluster.fail({ on: /namespaces\/default\/secrets/, kind: { status: 403, body: {} } });
    failing();
    const found = await scan(only);
    expect(found).toMatchObject([
      { kind: 'certificate', location: 'web/www' },
      { kind: 'trouble', location: 'default/', detail: expect.stringContaining('403') as string },
    ]);
    failing();
    await expect(kubernetesSource.check?.(options(only), networkContext())).rejects.toMatchObject({
      detail: expect.stringMatching(/^default: /) as string,
    });
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
