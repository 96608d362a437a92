import { createPrivateKey, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { vaultKv } from '../../plugins/vault/vault-kv.destination.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { startTestAuthority, type TestAuthority } from './bundles.js';
import { failureOf } from './issuer-faults.js';
import { networkContext } from './signing-ca.js';

/** A server with KV engines of version 1 and 2 at `kv1` and `kv2`, and another engine at `transit`. */
export interface KvServer {
  url: string;
  /** May do what the manual says, below `certificates` and `one` of both engines. */
  token: string;
  /** May do everything. */
  adminToken: string;
}

interface Secret {
  data?: Record<string, unknown> | null;
}

/** What a KV engine must do with deliveries, whoever made it. */
export function describeVaultKv(serverOf: () => KvServer): void {
  let authority: TestAuthority;
  beforeAll(() => {
    authority = startTestAuthority();
  });
  afterAll(() => authority.close());

  const call = async (method: string, path: string, body?: object): Promise<Secret> => {
    const { url, adminToken } = serverOf();
    const headers = { 'x-vault-token': adminToken };
    const answer = await fetch(`${url}/v1/${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    const text = await answer.text();
    return text === '' ? {} : ((JSON.parse(text) as { data?: Secret }).data ?? {});
  };
  /** The fields of a secret; of version 2 in one of its versions. */
  const fieldsAt = async (mount: string, path: string, version = ''): Promise<Record<string, string> | null> => {
    const held =
      mount === 'kv2'
        ? (await call('GET', `kv2/data/${path}${version && `?version=${version}`}`)).data
        : await call('GET', `kv1/${path}`);
    return held && Object.keys(held).length > 0 ? (held as Record<string, string>) : null;
  };
  const writeAt = (mount: string, path: string, fields: object): Promise<unknown> =>
    mount === 'kv2' ? call('POST', `kv2/data/${path}`, { data: fields }) : call('POST', `kv1/${path}`, fields);
  const optionsWith = (mount: string, changed: object = {}) =>
    vaultKv.options.parse({ url: serverOf().url, token: serverOf().token, mount, ...changed });
  const deliver = (bundle: Bundle, mount: string, changed: object = {}, ctx: PluginContext = networkContext()) =>
    vaultKv.deliver({ bundle, files: [], round: '1.1' }, optionsWith(mount, changed), ctx);
  const remove = async (bundle: Bundle, mount: string, changed: object = {}): Promise<void> => {
    const options = optionsWith(mount, changed);
    await vaultKv.remove?.(
      { files: [], round: '1.1', bundle, location: vaultKv.locate({ bundle, fileNames: [] }, options) },
      options,
      networkContext(),
    );
  };
  const verdict = (bundle: Bundle, mount: string) => {
    const options = optionsWith(mount);
    const placed = { bundle, files: [], round: '1.1', location: vaultKv.locate({ bundle, fileNames: [] }, options) };
    return vaultKv.verify?.(placed, options, networkContext());
  };
  let made = 0;
  const issue = (name = `host-${++made}.example.com`) => authority.issue(name);
  const placeOf = ({ commonName }: Bundle): string => `certificates/${commonName}`;

  describe.each(['kv1', 'kv2'])('%s', (mount) => {
    it('gets certificate, chain and key, of which the key fits', async () => {
      const bundle = issue();
      expect(await deliver(bundle, mount)).toEqual({ location: `${mount}/${placeOf(bundle)}` });
      const fields = (await fieldsAt(mount, placeOf(bundle))) ?? {};
      expect(fields).toEqual({
        certificate: bundle.chainPem[0],
        chain: bundle.chainPem[1],
        fullchain: bundle.chainPem.join(''),
        private_key: bundle.privateKeyPem,
        serial_number: bundle.serialHex,
        managed_by: 'perennial: certificate, chain, fullchain, private_key, serial_number',
      });
      const leaf = new X509Certificate(fields.fullchain ?? '');
      expect(leaf.checkPrivateKey(createPrivateKey(fields.private_key ?? ''))).toBe(true);
    });

    it('gets the fields of a TLS secret in place of the others when the options are changed', async () => {
      const bundle = issue();
      await deliver(bundle, mount);
      await deliver(bundle, mount, { fields: 'tls' });
      expect(await fieldsAt(mount, placeOf(bundle))).toEqual({
        'tls.crt': bundle.chainPem.join(''),
        'tls.key': bundle.privateKeyPem,
        managed_by: 'perennial: tls.crt, tls.key',
      });
      await remove(bundle, mount);
      expect(await fieldsAt(mount, placeOf(bundle))).toBeNull();
    });

    it('keeps a wildcard, and a name that is no path, at paths of their own', async () => {
      const location = async (name: string): Promise<string> => (await deliver(issue(name), mount)).location;
      expect(await location('*.example.com')).toBe(`${mount}/certificates/_wildcard.example.com`);
      expect(await location('../x y')).toMatch(/^kv\d\/certificates\/_\._x_y-[0-9a-f]{8}$/);
      expect((await deliver(issue(), mount, { path: 'one/place' })).location).toBe(`${mount}/one/place`);
    });

    it('tells what is at a place now', async () => {
      const [bundle, other] = [issue('read-back.example.com'), issue('read-back.example.com')];
      expect(await verdict(bundle, mount)).toEqual({ state: 'missing' });
      await deliver(bundle, mount);
      expect(await verdict(bundle, mount)).toEqual({ state: 'same' });
      const fields = (await fieldsAt(mount, placeOf(bundle))) ?? {};
      for (const [changed, words] of [
        [{ private_key: other.privateKeyPem }, 'holds no private key of the certificate.'],
        [{ chain: 'of another' }, 'has other values in: chain.'],
      ] as const) {
        await writeAt(mount, placeOf(bundle), { ...fields, ...changed });
        expect(await verdict(bundle, mount)).toEqual({
          state: 'different',
          detail: `The secret ${mount}/${placeOf(bundle)} ${words}`,
        });
      }
      await deliver(other, mount);
      expect(await verdict(bundle, mount)).toMatchObject({
        detail: expect.stringContaining('holds another certificate'),
      });
      await remove(other, mount);
      await writeAt(mount, placeOf(bundle), { note: 'by hand' });
      expect(await verdict(other, mount)).toEqual({ state: 'missing' });
    });

    it('replaces a predecessor, and keeps the fields of others', async () => {
      const [before, after] = [issue('renewed.example.com'), issue('renewed.example.com')];
      await writeAt(mount, placeOf(before), { note: 'by hand', serial_number: before.serialHex });
      await deliver(before, mount);
      await deliver(after, mount);
      const fields = await fieldsAt(mount, placeOf(after));
      expect(fields).toMatchObject({ note: 'by hand', private_key: after.privateKeyPem });
      await remove(before, mount);
      expect(await fieldsAt(mount, placeOf(after))).toEqual(fields);
      await remove(after, mount);
      await remove(after, mount);
      expect(await fieldsAt(mount, placeOf(after))).toEqual({ note: 'by hand' });
    });

    it('replaces a field that another has written only where that is allowed', async () => {
      const bundle = issue();
      await writeAt(mount, placeOf(bundle), { private_key: 'of another', note: 'by hand' });
      const error = await failureOf(deliver(bundle, mount));
      expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringContaining('written: private_key.')]);
      expect(await fieldsAt(mount, placeOf(bundle))).toEqual({ private_key: 'of another', note: 'by hand' });
      await deliver(bundle, mount, { overwrite: true });
      expect(await fieldsAt(mount, placeOf(bundle))).toMatchObject({
        private_key: bundle.privateKeyPem,
        note: 'by hand',
      });
    });

    it('leaves a certificate that it has not written', async () => {
      const bundle = issue();
      const fields = { certificate: bundle.chainPem[0], private_key: bundle.privateKeyPem };
      await writeAt(mount, placeOf(bundle), fields);
      await remove(bundle, mount);
      expect(await fieldsAt(mount, placeOf(bundle))).toEqual(fields);
    });

    it('passes the test of the connection', async () => {
      await vaultKv.check?.(optionsWith(mount), networkContext());
    });
  });

  describe('versions of kv2', () => {
    it('are not made by the same certificate again', async () => {
      const bundle = issue();
      await deliver(bundle, 'kv2');
      await deliver(bundle, 'kv2');
      expect(await fieldsAt('kv2', placeOf(bundle), '2')).toBeNull();
    });

    it('lose the certificate that is removed, and no other', async () => {
      const [first, second, third] = [issue('v.example.com'), issue('v.example.com'), issue('v.example.com')];
      for (const bundle of [first, second, first, third]) await deliver(bundle, 'kv2');
      await remove(first, 'kv2');
      const serials = async (): Promise<unknown[]> =>
        Promise.all(['1', '2', '3', '4'].map(async (n) => (await fieldsAt('kv2', placeOf(first), n))?.serial_number));
      expect(await serials()).toEqual([undefined, second.serialHex, undefined, third.serialHex]);
      await remove(third, 'kv2');
      expect(await serials()).toEqual([undefined, second.serialHex, undefined, undefined]);
      await deliver(first, 'kv2');
      expect(await fieldsAt('kv2', placeOf(first))).toMatchObject({ serial_number: first.serialHex });
    });

    it('begin again after one that was deleted', async () => {
      const bundle = issue();
      await deliver(bundle, 'kv2');
      await call('DELETE', `kv2/data/${placeOf(bundle)}`);
      expect(await fieldsAt('kv2', placeOf(bundle))).toBeNull();
      await deliver(bundle, 'kv2');
      expect(await fieldsAt('kv2', placeOf(bundle), '2')).toMatchObject({ private_key: bundle.privateKeyPem });
    });

    it('do not lose what another wrote in the meantime', async () => {
      const bundle = issue();
      const { site, ...rest } = networkContext();
      let isFirst = true;
      const racing: PluginContext['site']['fetch'] = async (url, request) => {
        if (request?.method === 'POST' && String(url).includes('/data/') && isFirst) {
          isFirst = false;
          await writeAt('kv2', placeOf(bundle), { note: 'faster' });
        }
        return site.fetch(url, request);
      };
      const ctx = { ...rest, site: { ...site, fetch: racing } };
      expect((await failureOf(deliver(bundle, 'kv2', {}, ctx))).fault).toBe('unavailable');
      await deliver(bundle, 'kv2', {}, ctx);
      expect(await fieldsAt('kv2', placeOf(bundle))).toMatchObject({ note: 'faster', serial_number: bundle.serialHex });
    });
  });

  it.each([
    ['an engine that there is not', { mount: 'nope' }, /policies grant access to path "nope\/"/],
    ['an engine that is not KV', { mount: 'transit' }, /not KV but transit/],
    ['a token that does not count', { token: 's.WrongToken' }, /403/],
    ['two ways to sign in', { roleId: 'r' }, /Give either/],
  ])('tells a person of %s', async (_, changed, words) => {
    const secrets = [serverOf().token, 's.WrongToken'];
    const error = await failureOf(deliver(issue(), 'kv2', changed), secrets);
    expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringMatching(words)]);
    const checked = vaultKv.check?.(optionsWith('kv2', changed), networkContext()) ?? Promise.resolve();
    expect((await failureOf(checked, secrets)).fault).toBe('misconfigured');
  });

  it('refuses to remove from another engine than that of the options', async () => {
    const removal = { bundle: issue(), location: 'elsewhere/certificates/x', files: [], round: '1.1' };
    const work = vaultKv.remove?.(removal, optionsWith('kv2'), networkContext()) ?? Promise.resolve();
    expect((await failureOf(work)).fault).toBe('misconfigured');
  });
}
