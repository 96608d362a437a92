import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CaTools, issueFrom, makeAuthority, owner } from '../support/ca-tools.js';
import type { Json } from '../support/json.js';
import { startProgram, type TestProgram } from '../support/program.js';

const tools = new CaTools();
let program: TestProgram;
beforeAll(async () => {
  program = await startProgram({ PERENNIAL_ROLE: 'api' });
});
afterAll(async () => {
  await program.stop();
  tools.close();
});

const make = (name: string, more: object = {}): Promise<Json> => makeAuthority(program, name, more);
const issue = (authority: string): Promise<Json> => issueFrom(program, authority);
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
    tools.makeCa(name, { newkey, opt });
    const made = await make(name, {
      commonName: undefined,
      chain: tools.read(`${name}.pem`),
      privateKey: tools.read(`${name}.key`),
    });
    expect(JSON.stringify(made)).not.toContain('PRIVATE');
    const leaf = await issue(name);
    expect(tools.verified(leaf, tools.read(`${name}.pem`))).toBe('leaf.pem: OK');
    expect(tools.byGnutls(leaf, tools.read(`${name}.pem`))).toContain('Chain verification output: Verified');
  });

  it('comes from PKCS#12 and from an encrypted key with its passphrase', async () => {
    tools.makeCa('outer');
    tools.makeCa('inner', { by: 'outer' });
    tools.openssl(
      'pkcs12',
      '-export',
      '-inkey',
      'inner.key',
      '-in',
      'inner.pem',
      '-certfile',
      'outer.pem',
      '-passout',
      'pass:secret',
      '-out',
      'inner.p12',
    );
    const pkcs12 = readFileSync(join(tools.folder, 'inner.p12')).toString('base64');
    const wrong = await program.call('POST', '/authorities', { name: 'from-file', owner, pkcs12, passphrase: 'wrong' });
    expect([wrong.status, wrong.body.reasons]).toMatchObject([
      400,
      { pkcs12: [expect.stringContaining('passphrase')] },
    ]);
    await make('from-file', { pkcs12, passphrase: 'secret', commonName: undefined });
    expect(tools.verified(await issue('from-file'), tools.read('outer.pem'))).toBe('leaf.pem: OK');

    tools.openssl('pkcs8', '-topk8', '-in', 'inner.key', '-passout', 'pass:secret', '-out', 'encrypted.key');
    const chain = tools.read('inner.pem') + tools.read('outer.pem');
    await make('encrypted', {
      chain,
      privateKey: tools.read('encrypted.key'),
      passphrase: 'secret',
      commonName: undefined,
    });
    expect(tools.verified(await issue('encrypted'), tools.read('outer.pem'))).toBe('leaf.pem: OK');
  });

  it('is refused without trace when key, certificate and issuer do not fit', async () => {
    tools.makeCa('one');
    tools.makeCa('two');
    tools.makeCa('weak', { newkey: 'rsa', opt: 'rsa_keygen_bits:1024' });
    tools.openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      '/CN=leaf',
      '-addext',
      'basicConstraints=critical,CA:false',
      '-keyout',
      'leaf.key',
      '-out',
      'end.pem',
    );
    const counts = () =>
      program.database.source.query(
        'select (select count(*) from signing_key) as keys, (select count(*) from authority) as cas',
      );
    const before = await counts();
    const table: [object, string][] = [
      [{ chain: tools.read('one.pem'), privateKey: tools.read('two.key') }, 'privateKey'],
      [{ chain: tools.read('weak.pem'), privateKey: tools.read('weak.key') }, 'privateKey'],
      [{ chain: tools.read('end.pem'), privateKey: tools.read('leaf.key') }, 'chain'],
      [{ privateKey: tools.read('one.key') }, 'chain'],
      [{ chain: tools.read('one.pem') }, 'chain'],
      [{ chain: tools.read('one.pem'), privateKey: tools.read('one.key'), pkcs12: 'AAAA' }, 'pkcs12'],
      [{ chain: tools.read('one.pem') + tools.read('one.key'), privateKey: tools.read('one.key') }, 'chain'],
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
      for (const { body } of [before, after]) expect(tools.verified(leaf, body)).toBe('leaf.pem: OK');
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
      expect(tools.verified(leaf, root.authorityCertificate.body)).toBe('leaf.pem: OK');
      expect(tools.byGnutls(leaf, root.authorityCertificate.body)).toContain('Chain verification output: Verified');
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

  it('keeps what another program wrote and a new CA is refused, for its key, a new one and by another CA', async () => {
    const limits = ['nameConstraints=permitted;DNS:example.com', 'inhibitAnyPolicy=2'];
    tools.makeCa('odd', { more: [...limits, 'extendedKeyUsage=serverAuth,serverAuth,clientAuth'] });
    const key = { chain: tools.read('odd.pem'), privateKey: tools.read('odd.key'), commonName: undefined };
    const { id } = await make('odd', key);
    await make('odd-other');
    for (const asked of [{}, { newKey: true }, { parent: { name: 'odd-other' } }])
      await program.ok('POST', `/authorities/${id}/renew`, asked);
    const issuers = await issuersOf(id);
    expect(issuers.filter(({ origin }) => origin === 'renewed')).toHaveLength(2);
    expect(issuers.filter(({ origin }) => origin === 'cross-signed')).toHaveLength(1);
    for (const { body } of issuers) {
      const text = tools.text(body);
      expect(text).toMatch(/Name Constraints: *\n *Permitted:\n *DNS:example.com/);
      expect(text).toMatch(/Inhibit Any Policy: *\n *2/);
      expect(text).toContain('Server Authentication, TLS Web Server Authentication, TLS Web Client Authentication');
    }
    expect((await issue('odd')).body).toContain('BEGIN');
  });

  it('is renewed once when two ask at the same moment', async () => {
    const { id } = await make('raced');
    // Such a key takes so long that all have begun before the first has ended.
    const asked = { newKey: true, keyType: 'RSA3072' };
    const answers = await Promise.all(
      Array.from({ length: 3 }, () => program.call('POST', `/authorities/${id}/renew`, asked)),
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
    expect([alternate?.origin, alternate?.current, alternate?.chain]).toEqual([
      'cross-signed',
      false,
      other.authorityCertificate.body,
    ]);
    await program.ok('PUT', `/authorities/${ca.id}/issuers/current`, { sha256: alternate?.sha256 });
    const leaf = await issue('crossed');
    expect(leaf.chain).toBe(alternate?.body);
    expect(tools.verified(leaf, other.authorityCertificate.body)).toBe('leaf.pem: OK');
    expect(tools.verified(before, ca.authorityCertificate.body)).toBe('leaf.pem: OK');

    // A CA outside signs the same name and key.
    tools.makeCa('bridge');
    tools.write('own.pem', ca.authorityCertificate.body);
    tools.openssl('x509', '-in', 'own.pem', '-pubkey', '-noout', '-out', 'own.pub');
    tools.openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      '/CN=CA crossed',
      '-keyout',
      'throwaway.key',
      '-out',
      'own.csr',
    );
    tools.write(
      'own.ext',
      'basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n',
    );
    tools.openssl(
      'x509',
      '-req',
      '-in',
      'own.csr',
      '-force_pubkey',
      'own.pub',
      '-CA',
      'bridge.pem',
      '-CAkey',
      'bridge.key',
      '-days',
      '900',
      '-extfile',
      'own.ext',
      '-out',
      'own.cross',
    );
    const chain = tools.read('own.cross') + tools.read('bridge.pem');
    const { items } = await program.ok('POST', `/authorities/${ca.id}/issuers`, { chain });
    const bridged = items.find(({ origin }: Json) => origin === 'uploaded');
    await program.ok('PUT', `/authorities/${ca.id}/issuers/current`, { sha256: bridged.sha256 });
    expect(tools.verified(await issue('crossed'), tools.read('bridge.pem'))).toBe('leaf.pem: OK');
  });

  it('takes no certificate for another key or name', async () => {
    const ca = await make('strict');
    tools.makeCa('stranger');
    const { status, body } = await program.call('POST', `/authorities/${ca.id}/issuers`, {
      chain: tools.read('stranger.pem'),
    });
    expect([status, Object.keys(body.reasons)]).toEqual([400, ['chain']]);
    const { items } = await program.ok('GET', `/authorities/${ca.id}/issuers`);
    expect(items).toHaveLength(1);
  });
});
