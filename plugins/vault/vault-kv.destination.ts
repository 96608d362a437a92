import { isDeepStrictEqual } from 'node:util';
import { fileStem } from '../../src/pki/file-stem.js';
import { pairFault } from '../../src/pki/key-pair.js';
import { defineDestination } from '../../src/plugin-api/destination.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { differenceOf, fieldsOf, holds, merged, withoutOurs } from './kv-fields.js';
import { openKv } from './vault-kv.client.js';
import { options, placeholder, type VaultKvOptions } from './vault-kv.options.js';
import { demandSignIn } from './vault.options.js';

/** Keeps certificates as secrets of the KV engine of HashiCorp Vault or OpenBao, beside fields of others. */
export const vaultKv = defineDestination({
  id: 'vault-kv',
  title: 'Vault KV',
  description: 'Writes certificate, chain and key to a secret of the KV engine, version 1 or 2, of Vault or OpenBao.',
  options,
  needsPrivateKey: true,

  admit: demandSignIn,

  async check(o, ctx) {
    await (await openKv(o, ctx)).demandRights(pathOf('www.example.com', o));
  },

  locate: ({ bundle }, o) => `${o.mount}/${pathOf(bundle.commonName, o)}`,

  async deliver({ bundle }, o, ctx) {
    const { privateKeyPem = '' } = bundle;
    const fault = pairFault(bundle.chainPem[0], privateKeyPem);
    if (fault !== null) throw new PluginError('refused', fault);
    const path = pathOf(bundle.commonName, o);
    const kv = await openKv(o, ctx);
    const present = await kv.read(path);
    const wanted = merged(present.fields, fieldsOf(bundle, privateKeyPem, o.fields), o.overwrite);
    if (!isDeepStrictEqual(present.fields, wanted)) await kv.write(path, wanted, present);
    return { location: `${o.mount}/${path}` };
  },

  async verify({ location, bundle }, o, ctx) {
    const { fields } = await (await openKv(o, ctx)).read(pathAt(location, o));
    if (Object.keys(withoutOurs(fields)).length === Object.keys(fields).length) return { state: 'missing' };
    const detail = differenceOf(fields, bundle, o.fields);
    return detail === null ? { state: 'same' } : { state: 'different', detail: `The secret ${location} ${detail}.` };
  },

  async remove({ location, bundle: { chainPem } }, o, ctx) {
    const path = pathAt(location, o);
    const kv = await openKv(o, ctx);
    await kv.forget(path, (fields) => holds(fields, chainPem[0] ?? ''));
  },
});

/** The path of a location. Throws PluginError `misconfigured` when the location is in another engine. */
function pathAt(location: string, { mount }: VaultKvOptions): string {
  const start = `${mount}/`;
  if (location.startsWith(start)) return location.slice(start.length);
  throw new PluginError('misconfigured', `"${location}" is not in the engine at "${mount}".`);
}

function pathOf(commonName: string, { path }: VaultKvOptions): string {
  return path.replaceAll(placeholder, fileStem(commonName));
}
