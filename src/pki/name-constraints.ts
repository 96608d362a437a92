import type { RawExtension, SubjectFields } from '../plugin-api/terms.js';
import * as der from './der/writer.js';
import { ExtensionOid } from './extensions.js';
import { encodeSubject } from './names.js';
import { readNameConstraints } from './path/name-constraints.js';
import { PkiError } from './pki-error.js';
import { ipOctets, normaliseDnsName } from './subject-alt-name.js';

/** Subtrees of names by their kind (RFC 5280 §4.2.1.10). */
export interface NameSubtrees {
  /** `example.com`: it and all names below it. */
  dns?: readonly string[];
  /** Networks such as `10.0.0.0/8`. */
  ip?: readonly string[];
  /** `joe@example.com`, `example.com` (all at this host) or `.example.com` (all at hosts below it). */
  email?: readonly string[];
  /** `www.example.com` (this host) or `.example.com` (all hosts below it). */
  uri?: readonly string[];
  /** Subjects that begin with these attributes. */
  directoryName?: readonly SubjectFields[];
}

/** What a CA may issue for. An absent kind is not limited. */
export interface NameLimits {
  permitted?: NameSubtrees;
  excluded?: NameSubtrees;
}

/**
 * The extension, critical; null when nothing is limited. Throws PkiError `bad-extension` or `bad-name` for a subtree
 * that cannot be written.
 */
export function nameConstraints({ permitted = {}, excluded = {} }: NameLimits): RawExtension | null {
  const [allowed, forbidden] = [subtrees(permitted), subtrees(excluded)];
  if (allowed.length + forbidden.length === 0) return null;
  const valueDer = der.sequence(
    ...(allowed.length > 0 ? [der.explicit(0, ...allowed)] : []),
    ...(forbidden.length > 0 ? [der.explicit(1, ...forbidden)] : []),
  );
  try {
    readNameConstraints(valueDer);
  } catch (error) {
    throw new PkiError('bad-extension', `The name constraints are not usable: ${(error as Error).message}`);
  }
  return { oid: ExtensionOid.nameConstraints, critical: true, valueDer };
}

function subtrees({ dns = [], ip = [], email = [], uri = [], directoryName = [] }: NameSubtrees): Buffer[] {
  const text = (tag: number) => (value: string) => der.implicit(tag, ascii(value));
  return [
    ...email.map(text(1)),
    ...dns.map((name) => text(2)(normaliseDnsName(name))),
    ...directoryName.map((fields) => der.explicit(4, encodeSubject(fields))),
    ...uri.map(text(6)),
    ...ip.map((network) => der.implicit(7, networkOctets(network))),
  ].map((base) => der.sequence(base));
}

function ascii(value: string): Buffer {
  if (!/^[\x21-\x7e]+$/.test(value)) throw new PkiError('bad-name', `"${value.slice(0, 100)}" is not ASCII`);
  return Buffer.from(value, 'latin1');
}

/** The address and its mask; without a prefix length, of this address alone. */
function networkOctets(network: string): Buffer {
  const [address = '', bits, ...rest] = network.split('/');
  const octets = ipOctets(address);
  const length = bits === undefined ? octets.length * 8 : /^\d{1,3}$/.test(bits) ? Number(bits) : Infinity;
  if (rest.length > 0 || length > octets.length * 8)
    throw new PkiError('bad-name', `"${network.slice(0, 100)}" is not a network such as 10.0.0.0/8`);
  const mask = Buffer.from(octets.map((_, at) => 0xff & (0xff00 >> Math.min(8, Math.max(0, length - at * 8)))));
  return Buffer.concat([Buffer.from(octets.map((octet, at) => octet & (mask[at] ?? 0))), mask]);
}
