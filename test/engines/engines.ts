import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ParsedCertificate } from '../../src/pki/certificate.js';
import { type ParsedCrl, parseCrl } from '../../src/pki/crl-reader.js';
import { statusByCrl } from '../../src/pki/crl-status.js';
import { distributionPoints } from '../../src/pki/distribution-points.js';
import { extendedKeyUsageOid } from '../../src/pki/extensions.js';
import { statusByOcsp } from '../../src/pki/ocsp-client.js';
import { verifyPath } from '../../src/pki/path/verify-path.js';
import { toPem } from '../../src/pki/pem.js';
import { type Answered, type Case, crlUrlIn, type Published } from './cases.js';
import { type JavaPath, javaVerdicts } from './java.js';
import type { Verdict } from './kinds.js';
import { run, type Said, verdictIn } from './programs.js';
import type { IdHash } from './status-lists.js';

const serverAuth = extendedKeyUsageOid('serverAuth');

/** By the numbers of X509_V_ERR_…, which `openssl verify` prints. */
const opensslVerdicts = [
  [/error 7 at/, 'signature'],
  [/error (2|18|19|20|21) at/, 'untrusted'],
  [/error 9 at/, 'not yet valid'],
  [/error 10 at/, 'expired'],
  [/error (3|8|11|12|33|44) at/, 'status unknown'],
  [/error 23 at/, 'revoked'],
  [/error (24|32|79) at/, 'not a CA'],
  [/error 25 at/, 'path length'],
  [/error 26 at/, 'purpose'],
  [/error 34 at/, 'critical extension'],
  [/error (42|43) at/, 'policies'],
  [/error (47|48) at/, 'name constraints'],
  [/^leaf\.pem: OK\n$/, 'good'],
] as const;

const gnutlsVerdicts = [
  [/signature in the certificate is invalid/, 'signature'],
  [/chain is revoked/, 'revoked'],
  [/uses expired certificate/, 'expired'],
  [/uses not yet valid certificate/, 'not yet valid'],
  [/violates the signer's constraints/, 'name constraints'],
  [/does not match the intended purpose/, 'purpose'],
  [/unknown critical extension/, 'critical extension'],
  [/issuer is not a CA/, 'not a CA'],
  [/revocation or OCSP data are (old|issued with a future)/, 'status unknown'],
  [/issuer is unknown/, 'untrusted'],
  [/Chain verification output: Verified\. The certificate is trusted/, 'good'],
] as const;

const ourVerdicts = {
  validity: 'expired',
  signature: 'signature',
  trust: 'untrusted',
  'name-constraints': 'name constraints',
  'path-length': 'path length',
  'extended-key-usage': 'purpose',
  policies: 'policies',
  'critical-extensions': 'critical extension',
  'basic-constraints': 'not a CA',
  'key-usage': 'not a CA',
} as const satisfies Record<string, Verdict>;

interface OcspStatuses {
  openssl: string;
  gnutls: string;
  ours: string;
}

/** By validator. `ocsp`: the status of each certificate of the path, leaf first. */
export interface Judgement {
  openssl: Said;
  gnutls: Said;
  ours: Said;
  ocsp: Record<keyof OcspStatuses, string[]>;
}

/** Validators, with a folder for the files of others. */
export class Engines {
  private readonly folder = mkdtempSync(join(tmpdir(), 'engines-'));
  private count = 0;

  close(): void {
    rmSync(this.folder, { recursive: true });
  }

  /** A folder with the files of the case. */
  private folderOf({ anchors, intermediates, leaf, path, crls }: Case): string {
    this.count += 1;
    const folder = join(this.folder, String(this.count));
    mkdirSync(folder);
    const put = (name: string, content: string | Buffer): void => writeFileSync(join(folder, name), content);
    const pemOfCrl = ({ der }: Published): string => toPem('X509 CRL', der);
    const pemOf = ({ der }: ParsedCertificate): string => toPem('CERTIFICATE', der);
    put('anchors.pem', anchors.map(pemOf).join(''));
    put('intermediates.pem', intermediates.map(pemOf).join(''));
    put('leaf.pem', pemOf(leaf));
    put('chain.pem', path.map(({ certificate }) => pemOf(certificate)).join(''));
    const urls = path.map(({ certificate }) => crlUrlIn(certificate));
    const named = crls.filter(({ url }) => urls.includes(url));
    put('crls.pem', crls.map(pemOfCrl).join(''));
    put('named-crls.pem', named.map(pemOfCrl).join(''));
    for (const [at, { certificate, issuer, ocsp }] of path.entries()) {
      put(`${at}.pem`, pemOf(certificate));
      put(`${at}.issuer.pem`, pemOf(issuer.certificate));
      for (const [idHash, response] of Object.entries(ocsp ?? {})) put(`${at}.${idHash}`, response);
    }
    return folder;
  }

  /** What the programs and we say. */
  async judge(one: Case): Promise<Judgement> {
    const folder = this.folderOf(one);
    const paths = [openssl(folder, one), gnutls(folder, one), ours(one)] as const;
    const [byOpenssl, byGnutls, byUs] = await Promise.all(paths);
    const statuses = await Promise.all(one.path.map((answered, at) => ocspStatuses(folder, answered, at)));
    rmSync(folder, { recursive: true });
    const of = (client: keyof OcspStatuses): string[] => statuses.map((status) => status[client]);
    const ocsp = { openssl: of('openssl'), gnutls: of('gnutls'), ours: of('ours') };
    return { openssl: byOpenssl, gnutls: byGnutls, ours: byUs, ocsp };
  }

  /** Java on all cases in one process, by CRLs and by OCSP. */
  async java(cases: readonly Case[]): Promise<{ crl: Said; ocsp: Said }[]> {
    const paths = cases.flatMap((one) => (['crl', 'ocsp'] as const).map((lookUp) => javaPathOf(one, lookUp)));
    const said = await javaVerdicts(paths);
    const at = (index: number): Said => said[index] ?? '? Java said nothing';
    return cases.map((_, index) => ({ crl: at(2 * index), ocsp: at(2 * index + 1) }));
  }
}

function javaPathOf({ anchors, intermediates, path, crls, policy }: Case, lookUp: 'crl' | 'ocsp'): JavaPath {
  return {
    lookUp,
    ...(policy !== undefined && { policy }),
    anchors: anchors.map(({ der }) => der),
    path: path.map(({ certificate, ocsp }) => ({ der: certificate.der, ...(ocsp && { ocsp: ocsp.sha1 }) })),
    known: intermediates.map(({ der }) => der),
    crls: lookUp === 'crl' ? crls.map(({ der }) => der) : [],
  };
}

async function openssl(folder: string, { policy, intermediates, crls }: Case): Promise<Said> {
  const policies = policy === undefined ? [] : ['-policy', policy, '-explicit_policy'];
  const strict = ['-x509_strict', '-policy_check', ...policies, '-purpose', 'sslserver'];
  // OpenSSL refuses empty files.
  const deltas = crls.some(({ isDelta }) => isDelta) ? ['-use_deltas', '-extended_crl'] : [];
  const status = ['-crl_check', '-crl_check_all', ...deltas, ...(crls.length > 0 ? ['-CRLfile', 'crls.pem'] : [])];
  const chain = intermediates.length > 0 ? ['-untrusted', 'intermediates.pem'] : [];
  const files = ['-CAfile', 'anchors.pem', ...chain, 'leaf.pem'];
  return verdictIn(await run(folder, 'openssl', ['verify', ...strict, ...status, ...files]), opensslVerdicts);
}

/** It keeps one CRL for a name, and knows no distribution points: it gets the CRLs that the certificates name. */
async function gnutls(folder: string, { crls }: Case): Promise<Said> {
  const status = crls.length > 0 ? ['--load-crl', 'named-crls.pem'] : [];
  const files = ['--load-ca-certificate', 'anchors.pem', '--infile', 'chain.pem'];
  const text = await run(folder, 'certtool', ['--verify', '--verify-purpose', serverAuth, ...status, ...files]);
  return verdictIn(text, gnutlsVerdicts);
}

async function ours({ anchors, intermediates, leaf, crls, policy }: Case): Promise<Said> {
  const at = new Date();
  const policies = policy === undefined ? {} : { accepted: [policy], required: true };
  const demands = { at, strictness: 'rfc5280', purposes: [serverAuth], policies } as const;
  const { faults, path } = await verifyPath({ leaf, intermediates, anchors }, demands);
  const [fault] = faults;
  if (fault?.check === 'validity' && at < (path[fault.depth]?.notBefore ?? at)) return 'not yet valid';
  if (fault)
    return verdictIn(
      fault.check,
      Object.entries(ourVerdicts).map(([check, said]) => [RegExp(`^${check}$`), said]),
    );
  const deltas = parsed(crls, true);
  const deltaTo = (crl: ParsedCrl): ParsedCrl | undefined => deltas.find((one) => one.issuerDer.equals(crl.issuerDer));
  for (const [depth, certificate] of path.slice(0, -1).entries()) {
    const [point] = distributionPoints(certificate.extensions);
    const question = { certificate, issuer: path[depth + 1] ?? certificate, at, ...(point && { point }) };
    const answers = await Promise.all(parsed(crls, false).map((crl) => statusByCrl(crl, question, deltaTo(crl))));
    const statuses = answers.map(({ status }) => status);
    if (statuses.includes('revoked')) return 'revoked';
    if (!statuses.includes('good')) return 'status unknown';
  }
  return 'good';
}

function parsed(crls: readonly Published[], isDelta: boolean): ParsedCrl[] {
  return crls.filter((one) => (one.isDelta ?? false) === isDelta).map(({ der }) => parseCrl(der));
}

/** What each client reads from the answers about one certificate; both texts where the hashes differ. */
async function ocspStatuses(folder: string, answered: Answered, at: number): Promise<OcspStatuses> {
  const { certificate, issuer, ocsp } = answered;
  if (ocsp === null) return { openssl: 'none', gnutls: 'none', ours: 'none' };
  const read = async (idHash: IdHash): Promise<string> =>
    (await statusByOcsp(ocsp[idHash], { certificate, issuer: issuer.certificate, at: new Date() })).status;
  return {
    openssl: await byBoth((idHash) => opensslOcsp(folder, at, idHash)),
    gnutls: await gnutlsOcsp(folder, at, at % 2 === 0 ? 'sha1' : 'sha256'),
    ours: await byBoth(read),
  };
}

async function byBoth(ask: (idHash: IdHash) => Promise<string>): Promise<string> {
  return [...new Set(await Promise.all([ask('sha1'), ask('sha256')]))].join(' or ');
}

async function opensslOcsp(folder: string, at: number, idHash: IdHash): Promise<string> {
  const question = [`-${idHash}`, '-issuer', `${at}.issuer.pem`, '-cert', `${at}.pem`, '-no_nonce'];
  const trust = ['-CAfile', `${at}.issuer.pem`, '-partial_chain', '-no-CApath', '-no-CAstore'];
  const text = await run(folder, 'openssl', ['ocsp', ...question, ...trust, '-respin', `${at}.${idHash}`]);
  if (text.includes('Response Verify Failure')) return 'not verified';
  if (!text.includes('Response verify OK')) return text;
  return /^\d+\.pem: (good|revoked)$/m.exec(text)?.[1] ?? text;
}

async function gnutlsOcsp(folder: string, at: number, idHash: IdHash): Promise<string> {
  const files = ['--load-issuer', `${at}.issuer.pem`, '--load-cert', `${at}.pem`, '--load-response', `${at}.${idHash}`];
  const text = await run(folder, 'ocsptool', ['--verify-response', '--load-trust', `${at}.issuer.pem`, ...files]);
  if (/^Verifying OCSP Response: Failure/m.test(text)) return 'not verified';
  if (!/^Verifying OCSP Response: Success\.$/m.test(text)) return text;
  return /Certificate Status: (good|revoked)/.exec(text)?.[1] ?? text;
}
