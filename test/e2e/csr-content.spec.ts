import { createPublicKey, generateKeyPairSync, hash, type KeyObject, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { parseCertificate } from '../../src/pki/certificate.js';
import { buildCsr, type CsrContent, parseCsr } from '../../src/pki/csr.js';
import * as der from '../../src/pki/der/writer.js';
import { spkiHash, spkiOf } from '../../src/pki/key.js';
import { encodeSubject } from '../../src/pki/names.js';
import { toPem } from '../../src/pki/pem.js';
import { signatureAlgorithmOf, signerOf } from '../../src/pki/sign.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { opensslText } from '../support/requests.js';
import { runOn } from '../support/x509.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';
import { smallFactorKey } from '../support/weak-rsa.js';
import type { Signer } from '../../src/plugin-api/signer.js';
import { Authorities } from '../../src/authorities/authorities.js';
import { RevokeConsequences } from '../../src/certificates/revoke/revoke.service.js';
import type { Tx } from '../../src/platform/db/database.js';

const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
const listed = generateKeyPairSync('ed25519').privateKey;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const published = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
const folder = mkdtempSync(join(tmpdir(), 'csr-content-'));
let program: TestProgram;
beforeAll(async () => {
  program = await startProgram(
    {
      KNOWN_BAD_KEYS: `# found on a disk\n${spkiHash(spkiOf(listed))}`,
      BADKEYS_BLOCKLIST_PATH: blocklistOf(published),
    },
    { plugins: [...plugins, new ScriptedCa().plugin] },
  );
  const make = (name: string, more: object = {}) =>
    program.ok('POST', '/authorities', { name, owner: 'pki@example.com', commonName: `Example ${name}`, ...more });
  await make('root');
  await make('outside', { plugin: { id: 'scripted-ca', options: { behaviour: 'pending' } } });
});
afterAll(async () => {
  await program.stop();
  rmSync(folder, { recursive: true });
});

/** A file as `badkeys --update-bl` writes it, with one key. */
function blocklistOf(key: KeyObject): string {
  const path = join(folder, 'blocklist.dat');
  const x = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url');
  const number = x.subarray(x.findIndex((octet) => octet !== 0));
  writeFileSync(path, Buffer.concat([hash('sha256', number, 'buffer').subarray(0, 15), Buffer.from([1])]));
  return path;
}

const ask = (csr: string, authority = 'root', more: object = {}) =>
  program.call('POST', '/certificates', { owner: 'joe@example.com', authority: { name: authority }, csr, ...more });
const attribute = (oid: string, value: Buffer): Buffer => der.setOf(der.sequence(der.oid(oid), value));
const csrOf = (subjectDer: Buffer, more: Partial<CsrContent> = {}, key = ec): Promise<string> =>
  buildCsr({ subject: {}, subjectAltNames: [], ...more, subjectDer }, key);
const cn = attribute('2.5.4.3', der.utf8String('a.example'));
const printable = (text: string): Buffer => der.tlv(0x13, Buffer.from(text));

/** As `buildCsr` with an RSA key, but for the parameters of the key, and with an attribute of Microsoft's. */
async function oddCsr(parameters: Buffer, attributes: Buffer[]): Promise<string> {
  const publicKey = createPublicKey(rsa).export({ format: 'der', type: 'pkcs1' });
  const spki = der.sequence(der.sequence(der.oid('1.2.840.113549.1.1.1'), parameters), der.bitString(publicKey));
  return signedCsr(spki, signerOf(rsa), attributes);
}

async function signedCsr(spki: Buffer, signer: Signer, attributes: Buffer[] = []): Promise<string> {
  const { hash, algorithmDer } = signatureAlgorithmOf(signer);
  const info = der.sequence(der.integer(0), der.sequence(cn), spki, der.explicit(0, ...attributes));
  const signature = await signer.sign(hash, info);
  return toPem('CERTIFICATE REQUEST', der.sequence(info, algorithmDer, der.bitString(signature)));
}

describe('the content of a CSR', () => {
  it.each<[string, Buffer, RegExp]>([
    [
      'a second common name with NUL',
      attribute('2.5.4.3', der.utf8String('victim.example\0.a.example')),
      /Common name/,
    ],
    ['a common name of 65 characters', attribute('2.5.4.3', der.utf8String('x'.repeat(65))), /Common name.*64/],
    ['a common name of 5000 characters', attribute('2.5.4.3', der.utf8String('x'.repeat(5000))), /Common name.*64/],
    ['a country of five letters', attribute('2.5.4.6', printable('USAXX')), /Country/],
    ['an empty organizational unit', attribute('2.5.4.11', der.utf8String('')), /Organizational unit is empty/],
    ['an empty SET', der.tlv(0x31), /empty SET/],
    ['a BMPString of odd length', attribute('2.5.4.10', der.tlv(0x1e, Buffer.from('abc'))), /Organization is not text/],
    ['a surname that turns the text round', attribute('2.5.4.4', der.utf8String('a\u202eb')), /Surname contains/],
  ])('is refused: %s', async (_, part, reason) => {
    const { status, body } = await ask(await csrOf(der.sequence(cn, part)));
    expect([status, body.reasons?.csr?.[0]]).toEqual([400, expect.stringMatching(reason)]);
  });

  it('is its subject alone when its extension request is empty', async () => {
    const empty = der.sequence(der.oid('1.2.840.113549.1.9.14'), der.setOf(der.sequence()));
    const { status, body } = await ask(await oddCsr(der.nullValue(), [empty]));
    expect({ status, cn: body.cn }).toEqual({ status: 200, cn: 'a.example' });
  });

  it('is encoded anew when its encoding is wrong, so that openssl and Node can read the certificate', async () => {
    const subject = der.sequence(cn, attribute('2.5.4.10', printable('my_org@home')));
    const { status, body } = await ask(await csrOf(subject));
    expect(status).toBe(200);
    expect(parseCertificate(body.body).subjectDer).toEqual(
      der.sequence(cn, attribute('2.5.4.10', der.utf8String('my_org@home'))),
    );
    expect(opensslText(body.body)).toContain('my_org@home');
    expect(new X509Certificate(body.body).subject).toContain('O=my_org@home');
  });

  it('gets a key with NULL parameters when the CSR has none', async () => {
    const { status, body } = await ask(await oddCsr(Buffer.alloc(0), []));
    expect(status).toBe(200);
    expect(parseCertificate(body.body).spkiDer).toEqual(spkiOf(rsa));
  });

  it('adds every common name that is a host to the SANs', async () => {
    const { body } = await ask(await csrOf(der.sequence(cn, attribute('2.5.4.3', der.utf8String('b.example')))));
    expect(body.domains.map(({ name }: { name: string }) => name).sort()).toEqual(['a.example', 'b.example']);
    expect(new X509Certificate(body.body).subjectAltName).toBe('DNS:a.example, DNS:b.example');
  });

  it('is refused when the subject is that of the authority', async () => {
    const subjectDer = encodeSubject({ commonName: 'EXAMPLE  root' });
    expect((await ask(await csrOf(subjectDer))).body.reasons).toHaveProperty('csr');
    const { status, body } = await ask('', 'root', { csr: undefined, commonName: 'Example root' });
    expect([status, body.reasons]).toEqual([400, { commonName: [expect.stringContaining('authority itself')] }]);
  });

  it.each(['commonName', 'organization', 'organizationalUnit', 'state', 'location'])(
    'has the same rules as a request without a CSR: %s',
    async (member) => {
      for (const value of ['a\u202eb', 'a\u2028b', ' ', 'a\ufffdb']) {
        const more = { csr: undefined, commonName: 'a.example', [member]: value };
        expect([(await ask('', 'root', more)).body.reasons, value]).toEqual([
          { [member]: [expect.any(String)] },
          value,
        ]);
      }
    },
  );

  it.each([
    ['DNS', 0x82, 'bücher.example'],
    ['e-mail', 0x81, 'bücher@a.example'],
    ['URI', 0x86, 'https://bücher.example/'],
  ])('is refused when a name is not ASCII: %s', async (_, tag, name) => {
    const valueDer = der.sequence(der.tlv(tag, Buffer.from(name)));
    const csr = await csrOf(der.sequence(cn), { extensions: [{ oid: '2.5.29.17', critical: false, valueDer }] });
    const { status, body } = await ask(csr);
    expect([status, body.reasons?.csr?.[0]]).toEqual([400, expect.stringContaining('not ASCII')]);
  });

  it('is stored and sent to the issuer as canonical PEM, without the text around it', async () => {
    const csr = await csrOf(der.sequence(cn));
    const { body } = await ask(`subject=a note\r\n${csr.replaceAll('\n', '\r\n')}more notes`);
    expect(body.csr).toBe(csr);
  });
});

describe('an extension that only the issuer or the platform may set', () => {
  it.each([
    ['2.16.840.1.113730.1.1', 'Netscape certificate type'],
    ['2.16.840.1.113730.1.13', 'Netscape comment'],
    ['1.3.6.1.4.1.311.2.1.14', 'Microsoft request extensions'],
    ['1.3.6.1.4.1.311.10.9.1', 'Microsoft cross certificates'],
    ['1.3.6.1.4.1.311.13.2.1', 'Microsoft enrolment names'],
    ['1.3.6.1.4.1.311.20.2', 'Microsoft template'],
    ['1.3.6.1.4.1.311.25.2', 'Microsoft security identifier'],
    ['1.3.6.1.4.1.311.76.6.1', 'Microsoft publisher'],
  ])('is refused in a CSR and in a request: %s (%s)', async (oid) => {
    const valueDer = der.utf8String('x');
    const csr = await csrOf(der.sequence(cn), { extensions: [{ oid, critical: false, valueDer }] });
    expect((await ask(csr)).body.reasons?.csr?.[0]).toContain(oid);
    const custom = [{ oid, encoding: 'b64asn1', value: valueDer.toString('base64') }];
    const { status } = await ask('', 'root', { csr: undefined, commonName: 'a.example', extensions: { custom } });
    expect(status).toBe(400);
  });
});

describe('a value that cannot be encoded in a certificate', () => {
  it('is refused in the request or the settings of the authority, not when a certificate is issued', async () => {
    const value = der.utf8String('x').toString('base64');
    for (const oid of ['0.40.1', '1.40.1', '2.01.1']) {
      const custom = [{ oid, encoding: 'b64asn1', value }];
      const more = { csr: undefined, commonName: 'a.example', extensions: { custom } };
      expect((await ask('', 'root', more)).body.reasons, oid).toHaveProperty(['extensions.custom.0.oid']);
    }
    const hugeArc = Buffer.concat([Buffer.from([0x2a]), Buffer.alloc(100, 0xff), Buffer.from([0x01])]);
    const usage = der.sequence(der.tlv(0x06, hugeArc));
    const csr = await csrOf(der.sequence(cn), { extensions: [{ oid: '2.5.29.37', critical: false, valueDer: usage }] });
    expect((await ask(csr)).body.reasons).toHaveProperty('csr');
    const authority = { name: 'bad', owner: 'pki@example.com', commonName: 'Bad' };
    const { id } = (await program.ok('GET', '/authorities?filter=name;root')).items[0];
    for (const [options, member] of [
      [{ policies: ['0.40.1'] }, 'policies.0'],
      [{ policies: ['1.2.3', '2.01'] }, 'policies.1'],
      [{ crlDistributionPoints: ['http://bücher.example/crl'] }, 'crlDistributionPoints.0'],
      [{ ocsp: ['http://ocsp.example/ü'] }, 'ocsp.0'],
      [{ caIssuers: ['http://ca.example/a b'] }, 'caIssuers.0'],
    ] as const) {
      const plugin = { id: 'local-ca', options };
      const expected = { [`plugin.options.${member}`]: [expect.any(String)] };
      expect((await program.call('POST', '/authorities', { ...authority, plugin })).body.reasons).toEqual(expected);
      const { body } = await program.call('PUT', `/authorities/${id}`, { owner: 'pki@example.com', plugin });
      expect(body.reasons).toEqual(expected);
    }
    for (const more of [
      { validityEnd: '9999-12-31T23:59:59-01:00' },
      { serialNumber: '9'.repeat(48) },
      { serialNumber: '9zm' },
    ])
      expect((await program.call('POST', '/authorities', { ...authority, ...more })).body.reasons).toEqual({
        [Object.keys(more)[0] ?? '']: [expect.any(String)],
      });
  });
});

describe('a weak, compromised or foreign key', () => {
  const newKey = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
  const refusal = async (csr: string, more: object = {}) => (await ask(csr, 'root', more)).body.reasons?.csr?.[0];

  it('is refused when it has a small factor or is on a list of bad keys', async () => {
    expect(await refusal(await csrOf(der.sequence(cn), {}, smallFactorKey()))).toContain('small prime factor');
    expect(await refusal(await csrOf(der.sequence(cn), {}, listed))).toContain('list of known bad keys');
    expect(await refusal(await csrOf(der.sequence(cn), {}, published))).toContain('blocklist of badkeys');
  });

  it('is refused when it is the key of the CA', async () => {
    const loaded = await program.perennial.app.get(Authorities, { strict: false }).resolve({ name: 'root' });
    const { signer } = loaded.material;
    if (!signer) throw new Error('The authority has no key.');
    expect(await refusal(await signedCsr(signer.spkiDer, signer))).toContain('that of a CA');
  });

  it('is refused after a revocation for keyCompromise of a certificate issued here or imported', async () => {
    const key = newKey();
    const csr = await csrOf(der.sequence(cn), {}, key);
    const { body: made } = await ask(csr);
    const foreign = newKey();
    const pem = runOn(
      { key: foreign.export({ format: 'pem', type: 'pkcs8' }) },
      'openssl',
      'req',
      '-x509',
      '-key',
      'key',
      '-subj',
      '/CN=b.example',
    );
    const imported = await program.ok('POST', '/certificates/upload', { owner: 'joe@example.com', body: pem });
    const ofForeign = await csrOf(der.sequence(cn), {}, foreign);
    for (const again of [csr, ofForeign]) expect(await refusal(again)).toBeUndefined();
    await program.ok('PUT', `/certificates/${made.id}/revoke`, { crlReason: 'keyCompromise' });
    // As an import from Lemur leaves it: its issuer is not known here.
    await program.database.source.query('update certificate set revocation_reason = 1 where id = $1', [imported.id]);
    for (const again of [csr, ofForeign]) expect(await refusal(again)).toContain('compromised');
  });

  it('is stored with an uploaded certificate, which shows the weakness', async () => {
    const upload = async (key: KeyObject) => {
      const files = { key: key.export({ format: 'pem', type: 'pkcs8' }) };
      const body = runOn(files, 'openssl', 'req', '-x509', '-key', 'key', '-subj', '/CN=c.example');
      const { id } = await program.ok('POST', '/certificates/upload', { owner: 'joe@example.com', body });
      return (await program.ok('GET', `/certificates/${id}`)).keyWeakness;
    };
    expect(await upload(smallFactorKey())).toContain('small prime factor');
    expect(await upload(listed)).toContain('list of known bad keys');
    const key = newKey();
    expect(await upload(key)).toBeNull();
    await program.database.source.query('update certificate set revocation_reason = 1 where spki_sha256 = $1', [
      spkiHash(spkiOf(key)),
    ]);
    expect(await upload(key)).toContain('compromised');
  });

  it('is refused for a second owner, and certified again for the same owner', async () => {
    const csr = await csrOf(der.sequence(cn), {}, newKey());
    expect(await refusal(csr)).toBeUndefined();
    expect(await refusal(csr, { owner: 'JOE@example.com' })).toBeUndefined();
    expect(await refusal(csr, { owner: 'jane@example.com' })).toContain('another owner');
  });

  it('is certified for one of three owners who send simultaneous requests', async () => {
    // The first round makes the roles of the owners; later ones share a transaction.
    for (let round = 0; round < 4; round += 1) {
      const csr = await csrOf(der.sequence(cn), {}, newKey());
      const answers = await Promise.all(
        ['ann', 'bob', 'kim'].map((name) => ask(csr, 'root', { owner: `${name}@example.com` })),
      );
      const refused = answers.filter(({ status }) => status !== 200);
      const refusal = [400, expect.stringContaining('another owner')];
      expect(refused.map(({ status, body }) => [status, body.reasons.csr[0]])).toEqual([refusal, refusal]);
    }
  });

  it('is refused to a request that waits while a revocation for keyCompromise is committed', async () => {
    const key = newKey();
    const csr = await csrOf(der.sequence(cn), {}, key);
    const { body: made } = await ask(csr);
    const runner = program.database.source.createQueryRunner();
    await runner.startTransaction();
    const consequences = program.perennial.app.get(RevokeConsequences, { strict: false });
    await consequences.revoke(runner.manager as Tx, made.id, { reason: 1, comments: null, at: new Date() });
    const asked = ask(csr);
    await eventually(async () => {
      const [{ waiting }] = await program.database.source.query(
        `select count(*)::int as waiting from pg_stat_activity
         where datname = current_database() and wait_event = 'advisory' and query like '%claim_keys%'`,
      );
      return waiting === 1;
    });
    await runner.commitTransaction();
    await runner.release();
    expect((await asked).body.reasons.csr[0]).toContain('compromised');
  });
});

describe('an issuer that gets the CSR itself', () => {
  it('gets no CSR that would be encoded anew or has parts that are not understood', async () => {
    const underscore = await csrOf(der.sequence(cn, attribute('2.5.4.10', printable('my_org'))));
    const template = der.sequence(der.oid('1.3.6.1.4.1.311.13.2.1'), der.setOf(der.sequence(der.bmpString('SAN'))));
    const password = der.sequence(der.oid('1.2.840.113549.1.9.7'), der.setOf(der.utf8String('challenge')));
    for (const csr of [underscore, await oddCsr(Buffer.alloc(0), []), await oddCsr(der.nullValue(), [template])])
      expect((await ask(csr, 'outside')).body.reasons).toHaveProperty('csr');
    const proper = await oddCsr(der.nullValue(), [password]);
    expect(await ask(`a note\n${proper}`, 'outside')).toMatchObject({ status: 202, body: { csr: proper } });
  });
});

describe('a certificate with a subject that is not issued any more', () => {
  it('is renewed with the same subject', async () => {
    const long = der.sequence(cn, attribute('2.5.4.10', der.utf8String('x'.repeat(300))));
    const { body: old } = await ask(await csrOf(encodeSubject({ commonName: 'old.example' })));
    await program.database.source.query(
      `update certificate set terms = terms || jsonb_build_object('subjectDer', $2::text) where id = $1`,
      [old.id, long.toString('base64')],
    );
    const renewed = await program.ok('POST', `/certificates/${old.id}/reissue`, {});
    expect(parseCertificate(renewed.body).subjectDer).toEqual(long);
    expect(parseCsr(renewed.csr).subjectDer).toEqual(long);
  });

  it('is renewed with the subject of the certificate when the stored terms cannot be encoded', async () => {
    const { body: old } = await ask(await csrOf(encodeSubject({ commonName: 'old2.example' })));
    await program.database.source.query(
      `update certificate set terms = (terms - 'subjectDer') || '{"subject": {"country": "USA"}}' where id = $1`,
      [old.id],
    );
    const renewed = await program.ok('POST', `/certificates/${old.id}/reissue`, {});
    expect(parseCertificate(renewed.body).subject).toBe('CN=old2.example');
  });
});
