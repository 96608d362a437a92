import { describe, expect, it } from 'vitest';
import { counterpartOf } from './counterparts.js';

const listed = (values: Record<string, unknown>) => Object.entries(values).map(([name, value]) => ({ name, value }));
const reading = (values: Record<string, string | null>) => (name: string) => values[name] ?? '';
const kubernetes = (changed: Record<string, string | null> = {}) =>
  counterpartOf(
    'kubernetes-destination',
    reading({
      secretFormat: 'TLS',
      secretNameFormat: 'tls-{common_name}',
      kubernetesURL: 'https://k8s.example.com:6443',
      kubernetesAuthToken: 'the.token',
      kubernetesServerCertificate: '-----BEGIN CERTIFICATE-----\n…',
      kubernetesNamespace: 'web',
      ...changed,
    }),
  );

describe('the counterpart of a destination of Lemur', () => {
  it('is kubernetes for TLS secrets, with the same secrets by the same names', () => {
    expect(kubernetes()).toEqual({
      slug: 'kubernetes',
      options: listed({
        url: 'https://k8s.example.com:6443',
        namespace: 'web',
        token: 'the.token',
        caCertificates: '-----BEGIN CERTIFICATE-----\n…',
        name: 'tls-{commonName}',
        overwrite: true,
      }),
      notes: [],
    });
  });

  it('asks for what Lemur read from files, and has its defaults', () => {
    const found = kubernetes({
      kubernetesURL: '',
      secretNameFormat: null,
      kubernetesAuthToken: '',
      kubernetesServerCertificate: null,
      kubernetesAuthTokenFile: '/var/run/secrets/kubernetes.io/serviceaccount/token',
    });
    expect(found).toMatchObject({
      options: expect.arrayContaining(
        listed({ url: 'https://kubernetes.default', name: '{commonName}', token: '' }),
      ) as unknown,
      notes: [
        'Its token and CA certificates stood in files: name them in SERVICE_FILES for https://kubernetes.default, or ' +
          'set them.',
      ],
    });
  });

  it.each([
    ['kubernetes-destination', { secretFormat: 'Full' }, /format Full/],
    ['kubernetes-destination', { secretFormat: null }, /format Full/],
    ['kubernetes-destination', { secretFormat: 'Certificate' }, /format Certificate/],
    ['kubernetes-destination', { kubernetesNamespace: '' }, /namespace stands in a file/],
    ['hashi-vault-destination', {}, /make a vault-kv destination/],
    ['gcs-destination', {}, /google-cloud-storage/],
  ])('is none, with the reason: %s %j', (slug, changed, words) => {
    expect(slug.startsWith('kubernetes') ? kubernetes(changed) : counterpartOf(slug, reading({}))).toMatch(words);
  });

  it('is not looked for where the options are the same', () => {
    for (const slug of ['aws-destination', 'toString', '']) expect(counterpartOf(slug, reading({}))).toBeNull();
  });
});
