import { createHash, createHmac } from 'node:crypto';

/** A server as `known_hosts` names it. */
export interface SshAddress {
  host: string;
  port: number;
}

interface KnownKey {
  /** Absent: the key counts for every server that is asked. */
  hosts?: string;
  /** `ssh-ed25519`; absent for a fingerprint, which does not say. */
  type?: string;
  /** SHA-256 of the key's octets, base64 without padding. */
  fingerprint: string;
}

const fingerprintLine = /^SHA256:([A-Za-z0-9+/]{43})=?$/;
const keyLine =
  /^(?:(\S+)[ \t]+)?(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521))[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t].*)?$/;

/** What the key types are called when they sign. RSA with SHA-1 is left out. */
const algorithmsOf: Readonly<Record<string, readonly string[]>> = { 'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'] };
const allAlgorithms = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  ...(algorithmsOf['ssh-rsa'] ?? []),
];

/** Whether each line is a fingerprint, a public key, or a line of `known_hosts` without a marker. */
export function areHostKeys(text: string): boolean {
  const lines = linesOf(text);
  return lines.length > 0 && lines.every((line) => knownKeyOf(line) !== null);
}

/** As OpenSSH shows it. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** Whether one of the lines has this key for this server. */
export function isKnownKey(text: string, address: SshAddress, key: Buffer): boolean {
  const shown = fingerprintOf(key);
  return keysFor(text, address).some(({ fingerprint }) => `SHA256:${fingerprint}` === shown);
}

/**
 * The signature algorithms of the keys that are known of this server: it then shows a key of these, also when it has
 * others that it prefers.
 */
export function algorithmsFor(text: string, address: SshAddress): string[] {
  const types = keysFor(text, address).map(({ type }) => type);
  if (types.length === 0 || types.includes(undefined)) return allAlgorithms;
  return types.flatMap((type = '') => algorithmsOf[type] ?? [type]);
}

function keysFor(text: string, address: SshAddress): KnownKey[] {
  return linesOf(text)
    .map(knownKeyOf)
    .filter((key) => key !== null)
    .filter(({ hosts }) => hosts === undefined || namesServer(hosts, address));
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function knownKeyOf(line: string): KnownKey | null {
  const [, fingerprint] = fingerprintLine.exec(line) ?? [];
  if (fingerprint !== undefined) return { fingerprint };
  const [, hosts, type, base64 = ''] = keyLine.exec(line) ?? [];
  const key = Buffer.from(base64, 'base64');
  if (type === undefined || typeIn(key) !== type) return null;
  const found = { type, fingerprint: fingerprintOf(key).slice('SHA256:'.length) };
  return hosts === undefined ? found : { hosts, ...found };
}

/** The name with which the octets of a key begin (RFC 4253 §6.6). */
function typeIn(key: Buffer): string {
  return key.length < 4 ? '' : key.subarray(4, 4 + key.readUInt32BE(0)).toString('latin1');
}

/** The first field of a line (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): patterns, or one hashed name. */
function namesServer(hosts: string, { host, port }: SshAddress): boolean {
  const name = (port === 22 ? host : `[${host}]:${port}`).toLowerCase();
  const [, salt = '', hash] = /^\|1\|([^|]+)\|([^|]+)$/.exec(hosts) ?? [];
  if (hash !== undefined) return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
  const patterns = hosts.toLowerCase().split(',');
  const fits = (pattern: string): boolean => asRegExp(pattern).test(name);
  if (patterns.some((pattern) => pattern.startsWith('!') && fits(pattern.slice(1)))) return false;
  return patterns.some((pattern) => !pattern.startsWith('!') && fits(pattern));
}

function asRegExp(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`);
}
