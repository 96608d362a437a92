import { isIPv6 } from 'node:net';
import { z } from 'zod';
import type { TargetList } from '../../src/plugin-api/source.js';
import { startTlsProtocols } from './start-tls.js';
import { isEntry, normalEntry } from './targets.js';

const row = z.strictObject({
  host: z
    .string()
    .max(255)
    .refine(isHost, 'must be a host name, an IP address or a network of at most 65,536 addresses, without a port')
    .meta({ title: 'Host', description: 'A host name, an IP address, or a network in CIDR notation.' }),
  port: z
    .string()
    .regex(/^\d{1,5}$/, 'must be a port number')
    .transform(Number)
    .pipe(z.int().min(1).max(65_535))
    .optional()
    .meta({ title: 'Port', description: 'Default: the ports of the source, or the usual one of `starttls`.' }),
  servername: z
    .string()
    .max(255)
    .refine((name) => isEntry(`${name}@192.0.2.1`), 'must be a host name')
    .optional()
    .meta({ title: 'Server name', description: 'The name to ask for (SNI), when it is not the host.' }),
  starttls: z
    .enum(['tls', ...startTlsProtocols])
    .optional()
    .meta({
      title: 'STARTTLS',
      description: 'The protocol that begins TLS on request; `tls` for TLS at once. Default: as usual at the port.',
    }),
});

/** A CSV file of hosts, as entries of the option `hosts`. */
export const targetTable: TargetList<typeof row> = {
  option: 'hosts',
  row,
  add(entries, rows) {
    const known = new Set(entries.map(normalEntry));
    return [...entries, ...[...new Set(rows.map(entryOf))].filter((entry) => !known.has(entry))];
  },
};

function entryOf({ host, port, servername, starttls }: z.output<typeof row>): string {
  const protocol = starttls === undefined ? '' : `${starttls}://`;
  const name = servername === undefined ? '' : `${servername}@`;
  return normalEntry(`${protocol}${name}${inBrackets(host)}${port === undefined ? '' : `:${port}`}`);
}

function isHost(text: string): boolean {
  const host = inBrackets(text);
  return host.startsWith('[') ? host.endsWith(']') && isEntry(host) : !/[:@]/.test(host) && isEntry(host);
}

/** An IPv6 address or network as entries have it. */
function inBrackets(host: string): string {
  return isIPv6(host.split('/')[0] ?? '') ? `[${host}]` : host;
}
