import type { ParsedCertificate } from '../../src/pki/certificate.js';
import { toPem } from '../../src/pki/pem.js';
import { isPrecertificate } from '../../src/pki/precertificate.js';
import { defineSource, type Report } from '../../src/plugin-api/source.js';
import { CtPosition } from './ct-position.js';
import { CtSearchClient, type CtEntry } from './ct-search.client.js';
import { type CtSearchOptions, options } from './ct-search.options.js';

/** So many certificates are read until the position is stored. */
const step = 20;

/** Entries that are one certificate: the certificate itself, its precertificate, or both. */
type Pair = readonly [CtEntry, ...CtEntry[]];

/** Watches public certificate logs for certificates with names of one's domains. */
export const ctSearch = defineSource({
  id: 'ct-search',
  title: 'Certificate Transparency',
  description:
    'Watches the public logs, by a search such as crt.sh, for certificates with names of your domains ' +
    'that nobody requested here. The first scan reports those that have not expired, later ones what is new.',
  options,
  reports: 'news',

  async check(o, ctx) {
    await new CtSearchClient(o, ctx).entries(o.domains[0] ?? '');
  },

  async *scan(o, ctx, from) {
    ctx.signal.throwIfAborted();
    const client = new CtSearchClient(o, ctx);
    const position = new CtPosition(o.url, from);
    position.keep(o.domains);
    let left = o.mostNew;
    for (const domain of o.domains) {
      const pairs = pairsOf(await entriesOf(client, domain, o), (id) => position.isKnown(domain, id));
      let isWhole = pairs.length <= left;
      for (const [at, pair] of pairs.slice(0, left).entries()) {
        const report = await read(client, pair);
        yield report;
        // What cannot be read is read again in the next scan.
        if (report.kind === 'certificate') position.add(domain, idsOf(pair));
        else isWhole = false;
        if ((at + 1) % step === 0) yield { kind: 'position', position: position.toString() };
      }
      if (isWhole) position.settle(domain);
      left = Math.max(0, left - pairs.length);
      yield { kind: 'position', position: position.toString() };
    }
  },
});

/** The entries with a name of the domain: a search also finds other texts in a certificate. */
async function entriesOf(client: CtSearchClient, domain: string, { subdomains }: CtSearchOptions): Promise<CtEntry[]> {
  const patterns = subdomains ? [domain, `%.${domain}`] : [domain];
  const found: CtEntry[] = [];
  for (const pattern of patterns) found.push(...(await client.entries(pattern)));
  return found.filter(({ name_value, common_name }) =>
    [...name_value.split('\n'), common_name ?? '']
      .map((name) => name.trim().toLowerCase())
      .some((name) => name === domain || (subdomains && name.endsWith(`.${domain}`))),
  );
}

/** The entries that are not known, those of one certificate together, the oldest first. */
function pairsOf(entries: readonly CtEntry[], isKnown: (id: number) => boolean): Pair[] {
  const pairs = new Map<string, Map<number, CtEntry>>();
  for (const entry of entries) {
    if (isKnown(entry.id)) continue;
    const key = `${entry.issuer_ca_id} ${entry.serial_number.toLowerCase()}`;
    pairs.set(key, (pairs.get(key) ?? new Map<number, CtEntry>()).set(entry.id, entry));
  }
  return [...pairs.values()]
    .map((pair) => [...pair.values()].sort((a, b) => b.id - a.id) as unknown as Pair)
    .sort((a, b) => Math.min(...idsOf(a)) - Math.min(...idsOf(b)));
}

function idsOf(pair: Pair): number[] {
  return pair.map(({ id }) => id);
}

/** The certificate of a pair, or else its precertificate. CAs log the precertificate first, so that its id is lower. */
async function read(client: CtSearchClient, pair: Pair): Promise<Exclude<Report, { kind: 'endpoint' | 'position' }>> {
  let precertificate: { id: number; parsed: ParsedCertificate } | undefined;
  let detail = '';
  for (const { id } of pair) {
    const parsed = await client.certificate(id);
    if (typeof parsed === 'string') detail = parsed;
    else if (isPrecertificate(parsed)) precertificate = { id, parsed };
    else return found(client, id, parsed);
  }
  if (precertificate) return found(client, precertificate.id, precertificate.parsed);
  return { kind: 'trouble', location: client.addressOf(pair[0].id), detail };
}

function found(client: CtSearchClient, id: number, { der }: ParsedCertificate) {
  return {
    kind: 'certificate' as const,
    location: client.addressOf(id),
    chainPem: [toPem('CERTIFICATE', der)],
    logged: true as const,
  };
}
