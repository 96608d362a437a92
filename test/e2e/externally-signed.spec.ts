import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CaTools, issueFrom, makeAuthority, owner } from '../support/ca-tools.js';
import type { Json } from '../support/json.js';
import { startProgram, type TestProgram } from '../support/program.js';

const tools = new CaTools();
let program: TestProgram;
beforeAll(async () => {
  program = await startProgram({ PERENNIAL_ROLE: 'api' });
  tools.makeCa('offline', { more: ['basicConstraints=critical,CA:true,pathlen:1'] });
  tools.makeCa('other');
  tools.makeCa('flat', { more: ['basicConstraints=critical,CA:true,pathlen:0'] });
});
afterAll(async () => {
  await program.stop();
  tools.close();
});

const usual =
  'basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n';

/** What the offline root makes of a CSR; its extensions are copied from the CSR unless `ext` says others. */
function signed(
  csr: string,
  { by = 'offline', ext, subject }: { by?: string; ext?: string; subject?: string } = {},
): string {
  tools.write('ca.csr', csr);
  if (ext !== undefined) tools.write('ca.ext', ext);
  const extensions = ext === undefined ? ['-copy_extensions', 'copy'] : ['-extfile', 'ca.ext'];
  const ca = ['-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-days', '900', '-out', 'ca.pem'];
  if (subject === undefined) tools.openssl('x509', '-req', '-in', 'ca.csr', ...ca, ...extensions);
  else {
    tools.openssl('req', '-in', 'ca.csr', '-pubkey', '-noout', '-out', 'ca.pub');
    tools.openssl(
      'req',
      '-new',
      '-newkey',
      'ed25519',
      '-nodes',
      '-keyout',
      'no.key',
      '-subj',
      subject,
      '-out',
      'no.csr',
    );
    tools.write('ca.ext', usual);
    tools.openssl('x509', '-req', '-in', 'no.csr', '-force_pubkey', 'ca.pub', '-extfile', 'ca.ext', ...ca);
  }
  return tools.read('ca.pem') + tools.read(`${by}.pem`);
}
const ask = (name: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/authorities/csrs', { name, owner, commonName: `CA ${name}`, organization: 'Example', ...more });
const handIn = (id: number, chain: string) => program.call('POST', `/authorities/csrs/${id}/certificate`, { chain });

describe('an authority that a CA elsewhere signs', () => {
  it.each(['ECCPRIME256V1', 'ECCSECP384R1', 'ECCSECP521R1', 'RSA3072', 'ED25519'])(
    'has a CSR, issues nothing and says why, and issues when its certificate arrives: %s',
    async (keyType) => {
      const name = `signed-${keyType}`;
      const nameConstraints = { permitted: { dns: ['example.com'] } };
      const { id, csr } = await ask(name, { keyType, nameConstraints });
      tools.write('shown.csr', csr);
      const text = tools.openssl('req', '-in', 'shown.csr', '-noout', '-text', '-verify');
      expect(text).toMatch(/verify OK[^]*CA:TRUE, pathlen:0/);
      const early = await program.call('POST', '/certificates', {
        owner,
        authority: { name },
        commonName: 'early.example.com',
      });
      expect([early.status, early.body.detail]).toEqual([409, expect.stringContaining('has no certificate yet')]);

      const { status, body } = await handIn(id, signed(csr));
      expect([status, body.name, body.authorityCertificate.pathLength]).toEqual([200, name, 0]);
      expect(tools.text(body.authorityCertificate.body)).toMatch(
        /Name Constraints: critical\s+Permitted:\s+DNS:example.com/,
      );
      const leaf = await issueFrom(program, name);
      expect(tools.verified(leaf, tools.read('offline.pem'))).toBe('leaf.pem: OK');
      expect(tools.byGnutls(leaf, tools.read('offline.pem'))).toContain('Chain verification output: Verified');
      expect((await program.call('GET', `/authorities/csrs/${id}`)).status).toBe(404);
    },
  );

  it('takes no certificate that does not fit its request, and stays as it was', async () => {
    const { id, csr } = await ask('picky', { pathLength: 0 });
    const { csr: otherCsr } = await ask('other-one');
    const chains: [string, string][] = [
      [signed(otherCsr), 'not for the key'],
      [signed(csr, { subject: '/CN=Somebody else' }), 'the request for'],
      [signed(csr, { ext: 'basicConstraints=critical,CA:false\n' }), 'not a CA certificate'],
      [signed(csr, { ext: 'basicConstraints=critical,CA:true\nkeyUsage=critical,cRLSign\n' }), 'not a CA certificate'],
      [signed(csr, { by: 'flat' }), 'path length'],
      [signed(csr).replace(tools.read('offline.pem'), tools.read('other.pem')), 'not signed by'],
    ];
    for (const [chain, reason] of chains) {
      const { status, body } = await handIn(id, chain);
      expect([status, body.reasons]).toEqual([400, { chain: [expect.stringContaining(reason)] }]);
    }
    const deep = await ask('deep', { pathLength: 1 });
    expect((await handIn(deep.id, signed(deep.csr, { ext: usual }))).body.reasons.chain[0]).toContain('fewer CAs');
    expect((await handIn(id, signed(csr))).status).toBe(200);
    expect((await handIn(id, signed(csr))).status).toBe(404);
  });

  it('keeps its name free of others, and drops its key with its request', async () => {
    await makeAuthority(program, 'taken');
    expect((await program.call('POST', '/authorities/csrs', { name: 'TAKEN', owner, commonName: 'x' })).status).toBe(
      409,
    );
    const { id } = await ask('dropped');
    expect((await program.call('POST', '/authorities/csrs', { name: 'Dropped', owner, commonName: 'x' })).status).toBe(
      409,
    );
    const keys = async (): Promise<number> =>
      (await program.database.source.query('select count(*)::int as n from signing_key'))[0].n;
    const before = await keys();
    await program.ok('DELETE', `/authorities/csrs/${id}`);
    expect(await keys()).toBe(before - 1);
  });

  it('is renewed by the CA elsewhere with its present key and with a new one', async () => {
    const first = await ask('again');
    const { body: made } = await handIn(first.id, signed(first.csr));
    const old = await issueFrom(program, 'again');
    expect((await program.call('POST', `/authorities/${made.id}/renew`, {})).status).toBe(409);
    for (const newKey of [false, true]) {
      const { id, csr, authorityId } = await program.ok('POST', `/authorities/${made.id}/csr`, { newKey });
      const { status, body } = await handIn(id, signed(csr));
      expect([status, authorityId, body.id]).toEqual([200, made.id, made.id]);
      const leaf = await issueFrom(program, 'again');
      expect(leaf.chain).toContain(body.authorityCertificate.body);
      for (const one of [old, leaf]) expect(tools.verified(one, tools.read('offline.pem'))).toBe('leaf.pem: OK');
    }
    expect((await program.ok('GET', `/authorities/${made.id}/issuers`)).total).toBe(3);
  });

  it('gives those below it the whole chain when another CA renews it', async () => {
    tools.makeCa('elsewhere');
    const first = await ask('moved', { pathLength: 1 });
    const { body: made } = await handIn(first.id, signed(first.csr, { by: 'other' }));
    const below = await makeAuthority(program, 'below-moved', { type: 'subca', parent: { name: 'moved' } });
    await program.ok('POST', `/authorities/${below.id}/renew`, { validityDays: 100 });
    const { id, csr } = await program.ok('POST', `/authorities/${made.id}/csr`, { newKey: false });
    expect((await handIn(id, signed(csr, { by: 'elsewhere' }))).status).toBe(200);
    const leaf = await issueFrom(program, 'below-moved');
    expect(tools.verified(leaf, tools.read('elsewhere.pem'))).toBe('leaf.pem: OK');
    const { items } = await program.ok('GET', `/authorities/${below.id}/issuers`);
    for (const one of items) expect(tools.verified(one, tools.read('elsewhere.pem'))).toBe('leaf.pem: OK');
  });

  it('does not sign again with an earlier key: requests for it end with a renewal, or are refused', async () => {
    const first = await ask('moving');
    const { body: made } = await handIn(first.id, signed(first.csr));
    const asked = (newKey: boolean): Promise<Json> => program.ok('POST', `/authorities/${made.id}/csr`, { newKey });
    const [same, second, third] = [await asked(false), await asked(true), await asked(true)];
    const sql = (text: string) => program.database.source.query(text, [made.id]);
    const [{ keyId: firstKey }] = await sql('select key_id as "keyId" from authority where id = $1');
    const [{ n: before }] = await program.database.source.query('select count(*)::int as n from signing_key');
    expect((await handIn(third.id, signed(third.csr))).status).toBe(200);
    for (const { id, csr } of [same, second]) expect((await handIn(id, signed(csr))).status).toBe(404);
    const [{ n: after }] = await program.database.source.query('select count(*)::int as n from signing_key');
    expect(after).toBe(before - 1);

    // One from before requests ended so.
    const old = await asked(false);
    await program.database.source.query('update authority_csr set key_id = $2, csr_pem = $3 where id = $1', [
      old.id,
      firstKey,
      same.csr,
    ]);
    const { status, body } = await handIn(old.id, signed(same.csr));
    expect([status, body.detail]).toEqual([409, expect.stringContaining('earlier key')]);
    const [{ keyId: present }] = await sql('select key_id as "keyId" from authority where id = $1');
    expect(present).not.toBe(firstKey);
  });
});

describe('the name constraints and path length of an authority', () => {
  const limits = {
    permitted: {
      dns: ['example.com'],
      ip: ['10.0.0.0/8', '2001:db8::/32'],
      email: ['example.com'],
      uri: ['.example.com'],
    },
    excluded: { dns: ['secret.example.com'], directoryName: [{ organization: 'Rival' }] },
  };
  const kinds: [string, object, boolean][] = [
    ['a host below', { commonName: 'www.example.com' }, true],
    ['a host elsewhere', { commonName: 'www.example.net' }, false],
    ['an excluded host', { commonName: 'a.secret.example.com' }, false],
    ['an address inside', names('IPAddress', '10.1.2.3'), true],
    ['an address outside', names('IPAddress', '192.0.2.1'), false],
    ['an IPv6 address inside', names('IPAddress', '2001:db8::1'), true],
    ['a mail address inside', names('rfc822Name', 'joe@example.com'), true],
    ['a mail address outside', names('rfc822Name', 'joe@example.net'), false],
    ['a URI inside', names('uniformResourceIdentifier', 'https://a.example.com/x'), true],
    ['a URI outside', names('uniformResourceIdentifier', 'https://example.net/x'), false],
    ['an excluded organization', { commonName: 'www.example.com', organization: 'Rival' }, false],
  ];
  function names(nameType: string, value: string): object {
    return { commonName: 'www.example.com', extensions: { subAltNames: { names: [{ nameType, value }] } } };
  }
  let root: Json;
  beforeAll(async () => {
    root = await makeAuthority(program, 'limited', { nameConstraints: limits, isCabCompliant: false });
    await makeAuthority(program, 'limited-below', { type: 'subca', parent: { name: 'limited' } });
  });

  it('are critical, of every kind', () => {
    expect(tools.text(root.authorityCertificate.body).replace(/\s+/g, ' ')).toContain(
      'X509v3 Name Constraints: critical Permitted: email:example.com DNS:example.com URI:.example.com ' +
        'IP:10.0.0.0/255.0.0.0 IP:2001:DB8:0:0:0:0:0:0/FFFF:FFFF:0:0:0:0:0:0 ' +
        'Excluded: DNS:secret.example.com DirName:O = Rival',
    );
  });

  it.each(kinds)('bind what a CA below issues, as openssl sees it: %s', async (_, request, isGood) => {
    const { status, body } = await program.call('POST', '/certificates', {
      owner,
      authority: { name: 'limited-below' },
      validityDays: 30,
      ...request,
    });
    if (!isGood)
      return expect([status, body.detail]).toEqual([expect.any(Number), expect.stringContaining('name constraints')]);
    expect([status, body.detail]).toEqual([200, undefined]);
    expect(tools.verified(body, root.authorityCertificate.body)).toBe('leaf.pem: OK');
  });

  it('are kept when it is renewed, and refused when they cannot be written', async () => {
    const { authorityCertificate } = await program.ok('POST', `/authorities/${root.id}/renew`, {});
    expect(tools.text(authorityCertificate.body)).toContain('Name Constraints: critical');
    for (const permitted of [{ ip: ['10.0.0.0/33'] }, { dns: ['no host'] }, { email: ['@'] }]) {
      const bad = { name: 'bad', owner, commonName: 'Bad', nameConstraints: { permitted } };
      const { status, body } = await program.call('POST', '/authorities', bad);
      expect([status, Object.keys(body.reasons)]).toEqual([400, ['nameConstraints']]);
    }
  });

  it('bind a CA below a CA without a path length of its own', async () => {
    tools.makeCa('top', { more: ['basicConstraints=critical,CA:true,pathlen:1'] });
    tools.makeCa('middle', { by: 'top' });
    const chain = tools.read('middle.pem') + tools.read('top.pem');
    await makeAuthority(program, 'middle', { chain, privateKey: tools.read('middle.key'), commonName: undefined });
    expect(tools.verified(await issueFrom(program, 'middle'), tools.read('top.pem'))).toBe('leaf.pem: OK');
    const { status, body } = await program.call('POST', '/authorities', {
      name: 'too-deep',
      owner,
      commonName: 'Too deep',
      type: 'subca',
      parent: { name: 'middle' },
    });
    expect([status, body.detail]).toEqual([expect.any(Number), expect.stringContaining('allows no CA below it')]);
  });
});

describe('an authority that is deleted', () => {
  it('goes with its keys when nothing depends on it, and else says what does', async () => {
    const count = async () => (await program.database.source.query('select count(*)::int as n from signing_key'))[0].n;
    const before = await count();
    const ca = await makeAuthority(program, 'going');
    await program.ok('POST', `/authorities/${ca.id}/renew`, { newKey: true });
    const below = await makeAuthority(program, 'going-below', { type: 'subca', parent: { name: 'going' } });
    const leaf = await issueFrom(program, 'going-below');
    const refused = await program.call('DELETE', `/authorities/${below.id}`);
    expect([refused.status, refused.body.reasons]).toEqual([409, { certificate: [String(leaf.id)] }]);
    expect((await program.call('DELETE', `/authorities/${ca.id}`)).body.reasons).toEqual({
      authority: [String(below.id)],
    });
    // Its revocation goes on while it is inactive.
    await program.ok('PUT', `/authorities/${below.id}`, { owner, active: false });
    await program.ok('PUT', `/certificates/${leaf.id}/revoke`, { crlReason: 'superseded' });

    const free = await makeAuthority(program, 'free');
    await program.ok('POST', `/authorities/${free.id}/renew`, { newKey: true });
    expect(await count()).toBe(before + 5);
    await program.ok('DELETE', `/authorities/${free.id}`);
    expect([(await program.call('GET', `/authorities/${free.id}`)).status, await count()]).toEqual([404, before + 3]);
  });

  it('is kept while a key of it waits for its certificate', async () => {
    const ca = await makeAuthority(program, 'waiting');
    const { id } = await program.ok('POST', `/authorities/${ca.id}/csr`, { newKey: true });
    const { status, body } = await program.call('DELETE', `/authorities/${ca.id}`);
    expect([status, body.reasons]).toEqual([409, { authority_csr: [String(id)] }]);
    await program.ok('DELETE', `/authorities/csrs/${id}`);
    await program.ok('DELETE', `/authorities/${ca.id}`);
  });
});
