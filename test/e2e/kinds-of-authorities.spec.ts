import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { startProgram, type TestProgram } from '../support/program.js';

const owner = 'pki@example.com';
const folder = mkdtempSync(join(tmpdir(), 'kinds-'));
let program: TestProgram;
beforeAll(async () => {
  program = await startProgram({ PERENNIAL_ROLE: 'api' });
});
afterAll(async () => {
  await program.stop();
  rmSync(folder, { recursive: true });
});

/** Runs a program in the folder of files that `write` fills; its output. Throws when it fails. */
const run = (name: string, ...args: string[]): string =>
  execFileSync('/bin/sh', ['-c', 'exec "$@" 2>&1', name, name, ...args], { cwd: folder, encoding: 'utf8' });
const openssl = (...args: string[]): string => run('openssl', ...args);
const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return name;
};
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

/** A CA that openssl makes: `name.key` and `name.pem`, signed by `by` or itself. */
function caByOpenssl(
  name: string,
  {
    by,
    newkey = 'ec',
    opt = 'ec_paramgen_curve:P-256',
    days = 3650,
  }: {
    by?: string;
    newkey?: string;
    opt?: string;
    days?: number;
  } = {},
): void {
  openssl('req', '-x509', '-newkey', newkey, ...(opt ? ['-pkeyopt', opt] : []), '-nodes', '-subj', `/O=Outside/CN=${name}`, '-days', String(days),
    '-addext', 'keyUsage=critical,keyCertSign,cRLSign', '-keyout', `${name}.key`, '-out', `${name}.pem`,
    ...(by ? ['-CA', `${by}.pem`, '-CAkey', `${by}.key`] : [])); // prettier-ignore
}

let count = 0;
async function issue(authority: string): Promise<Json> {
  count += 1;
  return program.ok('POST', '/certificates', {
    owner,
    authority: { name: authority },
    commonName: `host-${count}.example.com`,
    validityDays: 30,
  });
}

/** What openssl says of a certificate with its chain under this root. */
function verified({ body, chain }: Json, rootPem: string): string {
  write('leaf.pem', body);
  write('chain.pem', `${chain ?? ''}`);
  write('root.pem', rootPem);
  return openssl('verify', '-x509_strict', '-CAfile', 'root.pem', '-untrusted', 'chain.pem', 'leaf.pem').trim();
}
/** The same by GnuTLS. */
function byGnutls({ body, chain }: Json, rootPem: string): string {
  write('all.pem', `${body}${chain ?? ''}`);
  write('root.pem', rootPem);
  return run('certtool', '--verify', '--load-ca-certificate', 'root.pem', '--infile', 'all.pem');
}
const make = (name: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/authorities', { name, owner, commonName: `CA ${name}`, ...more });
const issuersOf = async (id: number): Promise<Json[]> => (await program.ok('GET', `/authorities/${id}/issuers`)).items;

describe('an authority that is imported with its key', () => {
  it.each([
    ['ec', 'ec_paramgen_curve:P-256'],
    ['ec', 'ec_paramgen_curve:P-384'],
    ['ec', 'ec_paramgen_curve:P-521'],
    ['rsa', 'rsa_keygen_bits:2048'],
    ['ed25519', ''],
  ])('issues as openssl would from %s %s, and never shows its key', async (newkey, opt) => {
    const name = `imported-${newkey}-${opt.replace(/\W/g, '')}`;
    caByOpenssl(name, { newkey, opt });
    const made = await make(name, {
      commonName: undefined,
      chain: read(`${name}.pem`),
      privateKey: read(`${name}.key`),
    });
    expect(JSON.stringify(made)).not.toContain('PRIVATE');
    const leaf = await issue(name);
    expect(verified(leaf, read(`${name}.pem`))).toBe('leaf.pem: OK');
    expect(byGnutls(leaf, read(`${name}.pem`))).toContain('Chain verification output: Verified');
  });

  it('comes from PKCS#12 and from an encrypted key with its passphrase', async () => {
    caByOpenssl('outer');
    caByOpenssl('inner', { by: 'outer' });
    openssl('pkcs12', '-export', '-inkey', 'inner.key', '-in', 'inner.pem', '-certfile', 'outer.pem', '-passout', 'pass:secret', '-out', 'inner.p12'); // prettier-ignore
    const pkcs12 = readFileSync(join(folder, 'inner.p12')).toString('base64');
    const wrong = await program.call('POST', '/authorities', { name: 'from-file', owner, pkcs12, passphrase: 'wrong' });
    expect([wrong.status, wrong.body.reasons]).toMatchObject([
      400,
      { pkcs12: [expect.stringContaining('passphrase')] },
    ]);
    await make('from-file', { pkcs12, passphrase: 'secret', commonName: undefined });
    expect(verified(await issue('from-file'), read('outer.pem'))).toBe('leaf.pem: OK');

    openssl('pkcs8', '-topk8', '-in', 'inner.key', '-passout', 'pass:secret', '-out', 'encrypted.key');
    const chain = read('inner.pem') + read('outer.pem');
    await make('encrypted', { chain, privateKey: read('encrypted.key'), passphrase: 'secret', commonName: undefined });
    expect(verified(await issue('encrypted'), read('outer.pem'))).toBe('leaf.pem: OK');
  });

  it('is refused without trace when key, certificate and issuer do not fit', async () => {
    caByOpenssl('one');
    caByOpenssl('two');
    caByOpenssl('weak', { newkey: 'rsa', opt: 'rsa_keygen_bits:1024' });
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=leaf', '-addext', 'basicConstraints=critical,CA:false', '-keyout', 'leaf.key', '-out', 'end.pem'); // prettier-ignore
    const counts = () => program.database.source.query('select (select count(*) from signing_key) as keys, (select count(*) from authority) as cas'); // prettier-ignore
    const before = await counts();
    const table: [object, string][] = [
      [{ chain: read('one.pem'), privateKey: read('two.key') }, 'privateKey'],
      [{ chain: read('weak.pem'), privateKey: read('weak.key') }, 'privateKey'],
      [{ chain: read('end.pem'), privateKey: read('leaf.key') }, 'chain'],
      [{ privateKey: read('one.key') }, 'chain'],
      [{ chain: read('one.pem') }, 'chain'],
      [{ chain: read('one.pem'), privateKey: read('one.key'), pkcs12: 'AAAA' }, 'pkcs12'],
      [{ chain: read('one.pem') + read('one.key'), privateKey: read('one.key') }, 'chain'],
    ];
    for (const [given, field] of table) {
      const { status, body } = await program.call('POST', '/authorities', { name: 'bad', owner, ...given });
      expect([status, Object.keys(body.reasons)]).toEqual([400, [field]]);
    }
    expect(await counts()).toEqual(before);
  });
});

describe('an authority that is renewed', () => {
  it('keeps its key: old leaves verify under the new root certificate, and new ones under the old', async () => {
    const root = await make('same-key', { validityDays: 400 });
    await make('below', { type: 'subca', parent: { name: 'same-key' }, validityDays: 300 });
    const old = await issue('below');
    const renewed = await program.ok('POST', `/authorities/${root.id}/renew`, { validityYears: 5 });
    const [before, after] = [root.authorityCertificate, renewed.authorityCertificate];
    expect(after.serial).not.toBe(before.serial);
    expect(Date.parse(after.notAfter)).toBeGreaterThan(Date.parse(before.notAfter));
    const fresh = await issue('below');
    for (const leaf of [old, fresh])
      for (const { body } of [before, after]) expect(verified(leaf, body)).toBe('leaf.pem: OK');
    expect((await issuersOf(root.id)).map(({ current, origin }) => [current, origin])).toEqual([
      [true, 'renewed'],
      [false, 'created'],
    ]);
    // The chain of the authority below leads to the renewed certificate.
    const [below] = (await program.ok('GET', '/authorities?filter=name;below')).items;
    expect(below.authorityCertificate.chain).toBe(after.body);
  });

  it('changes its key: each leaf verifies under the certificate that signed it, and both keys stay', async () => {
    const root = await make('root-of-new-key');
    const ca = await make('new-key', { type: 'subca', parent: { name: 'root-of-new-key' }, validityDays: 100 });
    const old = await issue('new-key');
    const { authorityCertificate: after } = await program.ok('POST', `/authorities/${ca.id}/renew`, {
      newKey: true,
      keyType: 'ECCSECP384R1',
      validityDays: 200,
    });
    const fresh = await issue('new-key');
    for (const leaf of [old, fresh]) {
      expect(verified(leaf, root.authorityCertificate.body)).toBe('leaf.pem: OK');
      expect(byGnutls(leaf, root.authorityCertificate.body)).toContain('Chain verification output: Verified');
    }
    expect([after.keyType, fresh.chain]).toEqual(['ECCSECP384R1', after.body]);
    const issuers = await issuersOf(ca.id);
    expect(new Set(issuers.map(({ keyIdentifier }) => keyIdentifier)).size).toBe(2);
    const [{ kept }] = await program.database.source.query(
      'select count(distinct key_id)::int as kept from authority_issuer where authority_id = $1',
      [ca.id],
    );
    expect(kept).toBe(2);
  });

  it('is renewed once when two ask at the same moment', async () => {
    const { id } = await make('raced');
    const answers = await Promise.all(
      Array.from({ length: 3 }, () => program.call('POST', `/authorities/${id}/renew`, { newKey: true })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    const [{ orphans }] = await program.database.source.query(
      `select count(*)::int as orphans from signing_key k where not exists (select from authority where key_id = k.id)
         and not exists (select from authority_issuer where key_id = k.id)`,
    );
    expect(orphans).toBe(0);
  });

  it('does not outlive its parent, and is told so', async () => {
    await make('short-root', { validityDays: 50 });
    const ca = await make('short', { type: 'subca', parent: { name: 'short-root' }, validityDays: 10 });
    const { status, body } = await program.call('POST', `/authorities/${ca.id}/renew`, { validityDays: 60 });
    expect([status, Object.keys(body.reasons)]).toEqual([400, ['validityDays']]);
  });
});

describe('an authority that another CA signs too', () => {
  it('gives out the chain that is chosen, by another authority here or by a CA outside', async () => {
    const ca = await make('crossed');
    const other = await make('other-root');
    await program.ok('POST', `/authorities/${ca.id}/renew`, { parent: { name: 'other-root' }, validityDays: 1000 });
    const before = await issue('crossed');
    expect(before.chain).toBe(ca.authorityCertificate.body);
    const [, alternate] = await issuersOf(ca.id);
    expect([alternate?.origin, alternate?.current, alternate?.chain]).toEqual(['cross-signed', false, other.authorityCertificate.body]); // prettier-ignore
    await program.ok('PUT', `/authorities/${ca.id}/issuers/current`, { sha256: alternate?.sha256 });
    const leaf = await issue('crossed');
    expect(leaf.chain).toBe(alternate?.body);
    expect(verified(leaf, other.authorityCertificate.body)).toBe('leaf.pem: OK');
    expect(verified(before, ca.authorityCertificate.body)).toBe('leaf.pem: OK');

    // A CA outside signs the same name and key.
    caByOpenssl('bridge');
    write('own.pem', ca.authorityCertificate.body);
    openssl('x509', '-in', 'own.pem', '-pubkey', '-noout', '-out', 'own.pub');
    openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=CA crossed', '-keyout', 'throwaway.key', '-out', 'own.csr'); // prettier-ignore
    write('own.ext', 'basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n'); // prettier-ignore
    openssl('x509', '-req', '-in', 'own.csr', '-force_pubkey', 'own.pub', '-CA', 'bridge.pem', '-CAkey', 'bridge.key', '-days', '900', '-extfile', 'own.ext', '-out', 'own.cross'); // prettier-ignore
    const chain = read('own.cross') + read('bridge.pem');
    const { items } = await program.ok('POST', `/authorities/${ca.id}/issuers`, { chain });
    const bridged = items.find(({ origin }: Json) => origin === 'uploaded');
    await program.ok('PUT', `/authorities/${ca.id}/issuers/current`, { sha256: bridged.sha256 });
    expect(verified(await issue('crossed'), read('bridge.pem'))).toBe('leaf.pem: OK');
  });

  it('takes no certificate for another key or name', async () => {
    const ca = await make('strict');
    caByOpenssl('stranger');
    const { status, body } = await program.call('POST', `/authorities/${ca.id}/issuers`, {
      chain: read('stranger.pem'),
    });
    expect([status, Object.keys(body.reasons)]).toEqual([400, ['chain']]);
    const { items } = await program.ok('GET', `/authorities/${ca.id}/issuers`);
    expect(items).toHaveLength(1);
  });
});
