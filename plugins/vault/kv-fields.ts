import { isSameLeaf, pairFault } from '../../src/pki/key-pair.js';
import { pemText } from '../../src/pki/pem.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import type { VaultKvOptions } from './vault-kv.options.js';

/** The members of a secret, of which some may belong to others. */
export type KvFields = Readonly<Record<string, unknown>>;

/** The field that names those that this program wrote, so that no other one is changed or removed. */
const mark = 'managed_by';
const markStart = 'perennial: ';

/** The fields of a certificate, the mark included. */
export function fieldsOf(bundle: Bundle, privateKeyPem: string, fields: VaultKvOptions['fields']): KvFields {
  const leaf = pemText(bundle.chainPem.slice(0, 1));
  const chain = pemText(bundle.chainPem.slice(1));
  const key = pemText([privateKeyPem]);
  const written =
    fields === 'tls'
      ? { 'tls.crt': leaf + chain, 'tls.key': key }
      : {
          certificate: leaf,
          chain,
          fullchain: leaf + chain,
          private_key: key,
          serial_number: bundle.serialHex,
        };
  return { ...written, [mark]: `${markStart}${Object.keys(written).join(', ')}` };
}

/**
 * The secret with `written` in place of what this program wrote there before. Throws PluginError `misconfigured` when a
 * field of that name belongs to another and `overwrite` is false.
 */
export function merged(present: KvFields, written: KvFields, overwrite: boolean): KvFields {
  const foreign = withoutOurs(present);
  const taken = Object.keys(written).filter((name) => name in foreign && foreign[name] !== written[name]);
  if (taken.length > 0 && !overwrite)
    throw new PluginError(
      'misconfigured',
      `The secret has fields that this program has not written: ${taken.join(', ')}. Remove them, choose another ` +
        'path, or allow to overwrite them.',
    );
  return { ...foreign, ...written };
}

/** The fields of others. */
export function withoutOurs(present: KvFields): KvFields {
  const ours = oursIn(present);
  return Object.fromEntries(Object.entries(present).filter(([name]) => !ours.includes(name)));
}

/** Whether this program wrote this certificate there. */
export function holds(present: KvFields, leafPem: string): boolean {
  return oursIn(present).some((name) => {
    const value = present[name];
    return typeof value === 'string' && isSameLeaf(value, leafPem) === true;
  });
}

/** What of these fields is not as delivered, as the end of a sentence; null when nothing is. */
export function differenceOf(present: KvFields, bundle: Bundle, fields: VaultKvOptions['fields']): string | null {
  const leafPem = bundle.chainPem[0] ?? '';
  if (!holds(present, leafPem)) return 'holds another certificate';
  const key = present[fields === 'tls' ? 'tls.key' : 'private_key'];
  if (typeof key !== 'string' || pairFault(leafPem, key) !== null) return 'holds no private key of the certificate';
  const changed = Object.entries(fieldsOf(bundle, key, fields)).filter(([name, value]) => present[name] !== value);
  return changed.length === 0 ? null : `has other values in: ${changed.map(([name]) => name).join(', ')}`;
}

function oursIn({ [mark]: value }: KvFields): string[] {
  if (typeof value !== 'string' || !value.startsWith(markStart)) return [];
  return [...value.slice(markStart.length).split(', '), mark];
}
