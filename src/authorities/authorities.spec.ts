import { expect, it } from 'vitest';
import { runOn } from '../../test/support/x509.js';
import { Authorities } from './authorities.js';
import { publicationOf } from './public-urls.js';

const certificatePem = runOn(
  {},
  'sh',
  '-c',
  'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -subj /CN=ca 2>/dev/null',
);
const authority = { id: 1, name: 'ca', active: true, keyId: 7, certificatePem, chainPem: [], parentId: null };
const publication = { crl: ['http://pki.example.net/{key}.crl'] };
const gives = (value: unknown) => (): Promise<unknown> => Promise.resolve(value);

/** An authority as its rows are; `broken`: what cannot be had. */
function authoritiesWithout(broken: 'key' | 'options'): Authorities {
  const refuse = (what: string): void => {
    if (what === broken) throw new Error(`no ${what}`);
  };
  const parts = [
    {},
    { stamps: gives(['1']), get: gives(authority), rolesOfOne: gives([]), limitsOf: gives({}) },
    { of: gives([]) },
    { plugin: () => ({ publication: () => publication }), open: () => (refuse('options'), {}) },
    { signerFor: async () => (await Promise.resolve(), refuse('key')) },
    ...[{}, {}, {}],
  ];
  return new Authorities(...(parts as unknown as ConstructorParameters<typeof Authorities>));
}

it('tells what an authority publishes while its key does not open: earlier keys go on signing its CRLs', async () => {
  const loaded = await authoritiesWithout('key').get(1);
  expect(publicationOf(loaded)).toBe(publication);
  expect(() => loaded.material).toThrow('no key');
});

it('tells nothing of an issuer whose options do not open', async () => {
  const loaded = await authoritiesWithout('options').get(1);
  expect(() => publicationOf(loaded)).toThrow('no options');
  expect(() => loaded.material).toThrow('no options');
});
