import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { vaultKv } from '../../plugins/vault/vault-kv.destination.js';
import { vaultKvSource } from '../../plugins/vault/vault-kv.source.js';
import type { Found, FoundCertificate } from '../../src/plugin-api/source.js';
import { scanned, startTestAuthority, type TestAuthority } from './bundles.js';
import { failureOf } from './issuer-faults.js';
import { networkContext } from './signing-ca.js';
import type { KvServer } from './vault-kv-suite.js';

const byLocation = (a: { location: string }, b: { location: string }): number => (a.location < b.location ? -1 : 1);

/** What the source of a KV engine must find, whoever made the engine. Uses the folder `found` of both engines. */
export function describeVaultKvSource(serverOf: () => KvServer): void {
  let authority: TestAuthority;
  let folder = '';
  let made = 0;
  beforeAll(() => {
    authority = startTestAuthority();
  });
  afterAll(() => authority.close());
  beforeEach(() => {
    folder = `found/${(made += 1)}-${Date.now()}`;
  });

  const write = async (mount: string, path: string, fields: object): Promise<void> => {
    const { url, adminToken } = serverOf();
    const isSecond = mount === 'kv2';
    const answer = await fetch(
      `${url}/v1/${mount}/${isSecond ? 'data/' : ''}${folder}/${path.split('/').map(encodeURIComponent).join('/')}`,
      {
        method: 'POST',
        headers: { 'x-vault-token': adminToken },
        body: JSON.stringify(isSecond ? { data: fields } : fields),
      },
    );
    if (!answer.ok) throw new Error(await answer.text());
  };
  const options = (mount: string, changed: object = {}) =>
    vaultKvSource.options.parse({ url: serverOf().url, token: serverOf().token, mount, path: folder, ...changed });
  const scan = async (mount: string, changed: object = {}): Promise<Exclude<Found, { kind: 'endpoint' }>[]> => {
    const found = await scanned(vaultKvSource, options(mount, changed), networkContext());
    return found.flatMap((one) => (one.kind === 'endpoint' ? [] : [one])).sort(byLocation);
  };

  it.each(['kv1', 'kv2'])('finds certificates in any field of any folder of %s, and no keys unasked', async (mount) => {
    const [a, b] = [authority.issue('a.kv.test'), authority.issue('b.kv.test')];
    await write(mount, 'a', { whatever: a.chainPem.join(''), password: 'secret' });
    await write(mount, 'deep/er/b c%', {
      nested: { tls: b.chainPem[0] },
      ca: b.chainPem.slice(1).join(''),
      k: b.privateKeyPem,
    });
    await write(mount, 'deep/none', { number: 7, text: 'no certificate' });
    const at = (path: string): string => `${mount}/${folder}/${path}`;
    const expected = [
      { kind: 'certificate', location: at('a'), chainPem: a.chainPem },
      { kind: 'certificate', location: at('deep/er/b c%'), chainPem: b.chainPem },
    ];
    expect(await scan(mount)).toEqual(expected);
    const [first, second] = await scan(mount, { readKeys: true });
    expect(first).toEqual(expected[0]);
    expect((second as FoundCertificate).privateKeyPem).toMatch(/^-----BEGIN PRIVATE KEY-----/);
    expect(await scan(mount, { path: `${folder}/deep` })).toEqual(expected.slice(1));
  });

  it.each(['kv1', 'kv2'])(
    'finds one certificate of %s once that stands in several fields, and all that differ',
    async (mount) => {
      const [one, two] = [authority.issue('one.kv.test'), authority.issue('two.kv.test')];
      await write(mount, 'both', {
        certificate: one.chainPem[0],
        fullchain: one.chainPem.join(''),
        other: two.chainPem[0],
      });
      const found = (await scan(mount)) as FoundCertificate[];
      expect(found.map(({ location }) => location)).toEqual([`${mount}/${folder}/both`, `${mount}/${folder}/both#2`]);
      expect(found.map(({ chainPem }) => chainPem[0])).toEqual([one.chainPem[0], two.chainPem[0]]);
      expect(await scan(mount, { authorities: true })).toHaveLength(1 + one.chainPem.length);
    },
  );

  it.each(['kv1', 'kv2'])('finds what the destination has delivered to %s', async (mount) => {
    const bundle = authority.issue('delivered.kv.test');
    const place = { url: serverOf().url, token: serverOf().adminToken, mount, path: `${folder}/{commonName}` };
    const { location } = await vaultKv.deliver(
      { bundle, files: [], round: '1.1' },
      vaultKv.options.parse(place),
      networkContext(),
    );
    expect(await scan(mount)).toEqual([{ kind: 'certificate', location, chainPem: bundle.chainPem }]);
  });

  it('finds nothing in an empty folder, and nothing of a secret that is deleted', async () => {
    expect(await scan('kv1')).toEqual([]);
    await write('kv2', 'gone', { pem: authority.issue('gone.kv.test').chainPem[0] });
    const { url, adminToken } = serverOf();
    const path = `${url}/v1/kv2/data/${folder}/gone`;
    await fetch(path, { method: 'DELETE', headers: { 'x-vault-token': adminToken } });
    expect(await scan('kv2')).toEqual([]);
  });

  it('tells what cannot be read, and reads on', async () => {
    const { chainPem } = authority.issue('good.kv.test');
    await write('kv1', 'bad', { pem: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' });
    await write('kv1', 'good', { pem: chainPem.join('') });
    expect(await scan('kv1')).toEqual([
      { kind: 'trouble', location: `kv1/${folder}/bad`, detail: expect.stringContaining('cannot be read') },
      { kind: 'certificate', location: `kv1/${folder}/good`, chainPem },
    ]);
  });

  it('fails when there are too many secrets, and with a token or an engine that is none', async () => {
    for (const name of ['a', 'b', 'c']) await write('kv1', name, { x: 1 });
    const faultOf = async (changed: object, mount = 'kv1'): Promise<string> =>
      (await failureOf(scan(mount, changed))).fault;
    expect(await scan('kv1', { mostSecrets: 3 })).toEqual([]);
    expect(await faultOf({ mostSecrets: 2 })).toBe('misconfigured');
    expect(await faultOf({ token: 'wrong' })).toBe('misconfigured');
    expect(await faultOf({}, 'transit')).toBe('misconfigured');
  });
}
