import { BlockList, isIP } from 'node:net';
import { formatIp, ipOctets } from '../../src/pki/subject-alt-name.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { isStartTlsProtocol, protocolOfPort, portOfProtocol, type Protocol } from './start-tls.js';

/**
 * One server to scan. `host` is a name or an IP address without brackets. `serverName` is the name to ask for (SNI,
 * RFC 6066 §3) when it is not the host. `network`: the network of the options to which the address belongs.
 */
export interface Target {
  host: string;
  port: number;
  protocol: Protocol;
  serverName?: string;
  network?: string;
}

/** What the options say about servers. An entry of `hosts` is `[protocol://][name@]host[/bits][:port]`. */
export interface TargetOptions {
  hosts: readonly string[];
  exclude: readonly string[];
  port: number;
  ports: readonly number[];
  largeScan: boolean;
}

interface Entry {
  text: string;
  host: string;
  protocol?: Protocol;
  serverName?: string;
  bits?: number;
  port?: number;
}

/** More servers than this need the option `largeScan`. */
const mostUnconfirmed = 4096;
const mostTargets = 131_072;
/** 65,536 addresses. */
const widestNetworkBits = 16;

const dnsName = '[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?';
/** No host name does (RFC 1123 §2.1): it is a mistyped address or a range. */
const endsInNumber = /(?:^|\.)\d+$/;
const entryPattern = new RegExp(
  `^(?:([a-z0-9]+)://)?(?:(${dnsName})@)?(?:\\[([0-9A-Fa-f:.]{2,45})(?:/(\\d{1,3}))?\\]|(${dnsName})(?:/(\\d{1,2}))?)` +
    '(?::(\\d{1,5}))?$',
);

/** Whether `hosts` may have this entry. */
export function isEntry(text: string): boolean {
  return entryOf(text) !== null;
}

/** Why `hosts` may not have this entry. */
export function entryFault(text: string): string {
  return /\/\d{1,3}\]?(?::\d+)?$/.test(text)
    ? 'must be a network of at most 65,536 addresses, as 10.1.0.0/16 or [2001:db8::/112]'
    : 'must be [protocol://][name@]host[/bits][:port]';
}

/** An entry of `hosts` in the spelling that equal entries share. One that is not valid stays as it is. */
export function normalEntry(text: string): string {
  const entry = entryOf(text);
  if (entry === null) return text;
  const { host, protocol, serverName, bits, port } = entry;
  const network = bits === undefined ? host : `${host}/${bits}`;
  const address = isIP(host) === 6 ? `[${network}]` : network;
  const [before, name] = [protocol && `${protocol}://`, serverName && `${serverName}@`];
  return [before, name, address, port && `:${port}`].filter((part) => part !== undefined).join('');
}

/** Whether `exclude` may have this entry: a host name, an IP address, or a network in CIDR notation. */
export function isExclusion(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0) return bits === undefined && new RegExp(`^${dnsName}$`).test(text);
  return more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= lengthOf(family)));
}

/** In the usual notation: `www.example.com:443`, `[2001:db8::1]:443`, `name@192.0.2.1:443`. */
export function textOf({ host, port, serverName }: Target): string {
  const address = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
  return serverName === undefined ? address : `${serverName}@${address}`;
}

/**
 * The servers of the options, each once, computed one at a time. Throws PluginError `misconfigured` when they are too
 * many.
 */
export function* targetsOf(options: TargetOptions): Generator<Target> {
  demandBounds(options);
  const seen = new Set<string>();
  for (const target of allTargetsOf(options)) {
    const text = textOf(target);
    if (seen.has(text)) continue;
    seen.add(text);
    yield target;
  }
}

function* allTargetsOf(options: TargetOptions): Generator<Target> {
  const isExcluded = exclusionOf(options.exclude);
  for (const entry of options.hosts.flatMap((text) => entryOf(text) ?? []))
    for (const host of addressesOf(entry)) if (!isExcluded(host)) yield* targetsAt(host, entry, options);
}

/** Throws PluginError `misconfigured` when the options name more servers than one scan may have. */
export function demandBounds(options: TargetOptions): void {
  const count = countOf(options);
  if (count > mostTargets)
    throw new PluginError(
      'misconfigured',
      `The hosts, networks and ports make ${count} servers; one source may have ${mostTargets}.`,
    );
  if (count > mostUnconfirmed && !options.largeScan)
    throw new PluginError(
      'misconfigured',
      `The hosts, networks and ports make ${count} servers. Set "largeScan" to scan more than ${mostUnconfirmed}.`,
    );
}

function countOf({ hosts, ports, port }: TargetOptions): number {
  const usual = new Set([port, ...ports]).size;
  return hosts
    .flatMap((text) => entryOf(text) ?? [])
    .map((entry) => sizeOf(entry) * (hasOwnPort(entry) ? 1 : usual))
    .reduce((sum, one) => sum + one, 0);
}

function entryOf(text: string): Entry | null {
  const [, protocol, serverName, ipv6, ipv6Bits, name, nameBits, port] = entryPattern.exec(text) ?? [];
  const host = (ipv6 ?? name ?? '').toLowerCase();
  const family = isIP(host);
  const bits = ipv6Bits ?? nameBits;
  const isWrong =
    host === '' ||
    (ipv6 !== undefined && family !== 6) ||
    (protocol !== undefined && protocol !== 'tls' && !isStartTlsProtocol(protocol)) ||
    (serverName !== undefined && (isIP(serverName) !== 0 || endsInNumber.test(serverName))) ||
    (family === 0 && endsInNumber.test(host)) ||
    (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) ||
    (bits !== undefined && !isNetwork(family, Number(bits)));
  if (isWrong) return null;
  return {
    text,
    host: family === 6 ? (formatIp(ipOctets(host)) as string) : host,
    ...(protocol !== undefined && { protocol: protocol as Protocol }),
    ...(serverName !== undefined && { serverName: serverName.toLowerCase() }),
    ...(bits !== undefined && { bits: Number(bits) }),
    ...(port !== undefined && { port: Number(port) }),
  };
}

function isNetwork(family: number, bits: number): boolean {
  return family !== 0 && bits <= lengthOf(family) && lengthOf(family) - bits <= widestNetworkBits;
}

function lengthOf(family: number): number {
  return family === 6 ? 128 : 32;
}

function sizeOf({ host, bits }: Entry): number {
  return bits === undefined ? 1 : 2 ** (lengthOf(isIP(host)) - bits);
}

function* addressesOf(entry: Entry): Generator<string> {
  const { host, bits } = entry;
  if (bits === undefined) {
    yield host;
    return;
  }
  const octets = ipOctets(host);
  const size = BigInt(sizeOf(entry));
  const last = BigInt(`0x${octets.toString('hex')}`) | (size - 1n);
  for (let address = last - size + 1n; address <= last; address += 1n)
    yield formatIp(Buffer.from(address.toString(16).padStart(octets.length * 2, '0'), 'hex')) as string;
}

function targetsAt(host: string, entry: Entry, { port, ports }: TargetOptions): Target[] {
  const { protocol, serverName, bits, text } = entry;
  const own = entry.port ?? (protocol && portOfProtocol(protocol));
  const shared = {
    host,
    ...(serverName !== undefined && { serverName }),
    ...(bits !== undefined && { network: text }),
  };
  return (own === undefined ? [...new Set([port, ...ports])] : [own]).map((one) => ({
    ...shared,
    port: one,
    protocol: protocol ?? protocolOfPort(one),
  }));
}

function hasOwnPort({ port, protocol }: Entry): boolean {
  return port !== undefined || (protocol !== undefined && portOfProtocol(protocol) !== undefined);
}

function exclusionOf(exclude: readonly string[]): (host: string) => boolean {
  const names = new Set(exclude.map((entry) => entry.toLowerCase()));
  const networks = new BlockList();
  for (const [address = '', bits] of exclude.map((entry) => entry.split('/'))) {
    const family = isIP(address);
    if (family !== 0) networks.addSubnet(address, Number(bits ?? lengthOf(family)), family === 6 ? 'ipv6' : 'ipv4');
  }
  return (host) => {
    const family = isIP(host);
    return names.has(host) || (family !== 0 && networks.check(host, family === 6 ? 'ipv6' : 'ipv4'));
  };
}
