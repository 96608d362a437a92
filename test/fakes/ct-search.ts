import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openssl } from '../support/bundles.js';
import { type Exchange, type Reply, type StandIn, startStandIn } from './stand-in.js';

/** What a CA logs: for these names and key, with this serial number. */
export interface Logged {
  names: readonly string[];
  serialHex: string;
  /** A new one unless given. */
  keyPem?: string;
  /** Given an id beside its leaf, or alone. */
  isPrecertificate?: boolean;
  days?: number;
}

export interface FakeCtSearch extends StandIn {
  /** Adds an entry and gives its id, which is the next one unless given, and its certificate. */
  log(logged: Logged, id?: number): { id: number; pem: string };
  /** Adds a certificate as it is. */
  add(pem: string, id?: number): number;
  /** The entry is listed and its certificate is not there, as while crt.sh replicates. */
  hide(id: number): void;
  newKey(): string;
}

const configuration = 'default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n';
/** A moment as ASN.1 UTCTime writes it. */
const stamp = (ms: number): string => new Date(ms).toISOString().replace(/^20|[-:T]|\.\d+/g, '');

interface Entry {
  id: number;
  names: string[];
  certificate: X509Certificate;
  pem: string;
}

/** The search of crt.sh over certificates of a CA of its own: JSON lists and downloads, as crt.sh answers them. */
export async function startCtSearch(): Promise<FakeCtSearch> {
  const folder = mkdtempSync(join(tmpdir(), 'ct-'));
  const at = (name: string): string => join(folder, name);
  openssl(
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '99', '-subj'].concat([
      '/C=XX/O=Other CA/CN=Other Issuing',
      '-keyout',
      at('ca.key'),
      '-out',
      at('ca.pem'),
    ]),
  );
  const own = { certificate: 'ca.pem', private_key: 'ca.key', database: 'index', serial: 'serial', new_certs_dir: '.' };
  const lines = Object.entries(own).map(([name, file]) => `${name}=${at(file)}`);
  writeFileSync(at('ca.cnf'), ['[ca]', 'default_ca=own', '[own]', ...lines, configuration].join('\n'));
  const start = Date.now() - 60_000;
  const entries = new Map<number, Entry>();
  const hidden = new Set<number>();
  let next = 11_397_472_735;
  const add = (pem: string, id = (next += 3)): number => {
    const certificate = new X509Certificate(pem);
    const names = (certificate.subjectAltName ?? '').split(', ').map((name) => name.replace(/^DNS:/, ''));
    entries.set(id, { id, names, certificate, pem });
    return id;
  };
  const newKey = (): string => openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']);
  const log = ({ names, serialHex, keyPem = newKey(), isPrecertificate = false, days = 30 }: Logged, id?: number) => {
    const poison = isPrecertificate ? '1.3.6.1.4.1.11129.2.4.3=critical,DER:0500\n' : '';
    writeFileSync(at('ext'), `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}\n${poison}`);
    writeFileSync(at('key'), keyPem);
    openssl(['req', '-new', '-key', at('key'), '-subj', `/CN=${names[0] ?? ''}`, '-out', at('csr')]);
    // A precertificate and its certificate have the same dates, and here the same serial number is issued twice.
    writeFileSync(at('index'), '');
    writeFileSync(at('serial'), serialHex.padStart(serialHex.length + (serialHex.length % 2), '0'));
    const dates = ['-startdate', stamp(start), '-enddate', stamp(start + days * 86_400_000)];
    const files = ['-config', at('ca.cnf'), '-in', at('csr'), '-extfile', at('ext'), '-out', at('pem')];
    openssl(['ca', '-batch', '-notext', ...dates, ...files]);
    const pem = readFileSync(at('pem'), 'utf8');
    return { id: add(pem, id), pem };
  };
  const standIn = await startStandIn((exchange) => answer(exchange, entries, hidden));
  const stop = async (): Promise<void> => {
    await standIn.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { ...standIn, log, add, newKey, stop, hide: (id) => void hidden.add(id) };
}

const html = (status: number, text: string): Reply => ({
  status,
  body: `<!DOCTYPE HTML><HTML><BODY>${text}</BODY></HTML>`,
  headers: { 'content-type': 'text/html; charset=UTF-8' },
});

function answer({ method, path, query }: Exchange, entries: Map<number, Entry>, hidden: ReadonlySet<number>): Reply {
  const names = [...query.keys()].sort().join();
  if (method !== 'GET' || path !== '/') return html(404, 'Not Found');
  if (names === 'd') {
    const id = Number(query.get('d'));
    const found = hidden.has(id) ? undefined : entries.get(id);
    if (!found) return html(404, 'Certificate not found');
    return { status: 200, body: found.pem, headers: { 'content-type': 'application/pkix-cert' } };
  }
  if (names !== 'exclude,output,q' || query.get('output') !== 'json' || query.get('exclude') !== 'expired')
    return html(400, 'Unsupported request');
  const pattern = new RegExp(
    `^${(query.get('q') ?? '').replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('%', '.*')}$`,
    'i',
  );
  const matching = [...entries.values()].filter((entry) => entry.names.some((name) => pattern.test(name)));
  return { status: 200, body: matching.reverse().map(listed) };
}

function listed({ id, names, certificate }: Entry): object {
  const { serialNumber, validFrom, validTo } = certificate;
  const at = (text: string): string => new Date(text).toISOString().slice(0, 19);
  return {
    issuer_ca_id: 247_115,
    issuer_name: certificate.issuer.split('\n').join(', '),
    common_name: names[0],
    name_value: names.join('\n'),
    id,
    entry_timestamp: `${at(validFrom)}.798`,
    not_before: at(validFrom),
    not_after: at(validTo),
    serial_number: serialNumber.toLowerCase().padStart(32, '0'),
    result_count: 2,
  };
}
