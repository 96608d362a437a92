import { BlockList, isIP, isIPv6 } from 'node:net';

/**
 * Networks that are not the public internet: the special-purpose registries of IANA (RFC 6890), multicast, and the
 * ranges that carry an IPv4 address inside (IPv4-compatible, NAT64, 6to4, Teredo). IPv4-mapped addresses match by their
 * IPv4 address.
 */
const closedNetworks = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/96',
  '::ffff:0:0:0/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  '5f00::/16',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
];

/** Decides where requests to addresses that a user or a certificate named may go. */
export class AddressGuard {
  private readonly closed = blockList(closedNetworks);
  private readonly opened: BlockList;
  private readonly openedNames: ReadonlySet<string>;

  /** `allowed`: host names, IP addresses and networks (`10.1.0.0/16`) that may be reached although they are private. */
  constructor(allowed: readonly string[]) {
    this.opened = blockList(allowed.filter(isAddressOrNetwork));
    this.openedNames = new Set(allowed.filter((entry) => !isAddressOrNetwork(entry)).map(plainName));
  }

  /** True for a name that may resolve to anything. */
  trusts(host: string): boolean {
    return this.openedNames.has(plainName(host));
  }

  /** True for an IP address (no brackets) that is public or was opened. */
  permits(address: string): boolean {
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    return !this.closed.check(address, family) || this.opened.check(address, family);
  }
}

/** Addresses and networks (`10.1.0.0/16`) to check against. */
export function blockList(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/');
    const longest = isIPv6(address) ? 128 : 32;
    list.addSubnet(address, bits === undefined ? longest : Number(bits), longest === 128 ? 'ipv6' : 'ipv4');
  }
  return list;
}

export function isAddressOrNetwork(entry: string): boolean {
  return isIP(entry.split('/')[0] ?? '') !== 0;
}

/** In lower case, without a dot at the end and without the brackets of an IPv6 address. */
export function plainName(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}
