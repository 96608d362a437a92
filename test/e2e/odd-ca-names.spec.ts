import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as der from '../../src/pki/der/writer.js';
import * as extensions from '../../src/pki/extensions.js';
import { keyIdentifierOf, spkiOf } from '../../src/pki/key.js';
import { toPem } from '../../src/pki/pem.js';
import { issueFrom, owner } from '../support/ca-tools.js';
import type { Json } from '../support/json.js';
import { ocspClients } from '../support/ocsp-clients.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const clients = ocspClients();
let program: TestProgram;
beforeAll(async () => {
  program = await startProgram({ PKI_URL: 'http://pki.example.net' });
});
afterAll(async () => {
  await program.stop();
  clients.close();
});

const text = (tag: number, value: string): Buffer => der.tlv(tag, Buffer.from(value, 'latin1'));
const attribute = (oid: string, value: Buffer): Buffer => der.sequence(der.oid(oid), value);
const [cn, ou] = ['2.5.4.3', '2.5.4.11'];
const nameOf = (value: Buffer): Buffer => der.sequence(der.setOf(attribute(cn, value)));
/** In BER: a length in more octets than needed, and one that the end-of-contents octets give. */
const padded = (tag: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([tag, 0x82, content.length >> 8, content.length & 0xff]), content]);
const indefinite = (tag: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([tag, 0x80]), content, Buffer.alloc(2)]);

const inSet = der.setOf(attribute(cn, text(0x13, 'padded set')));
const members = [attribute(ou, text(0x0c, 'zzz')), attribute(cn, text(0x0c, 'a'))];
const names: Record<string, Buffer> = {
  'a PrintableString with characters outside its alphabet': nameOf(text(0x13, 'ca_1@example*')),
  'a TeletexString in Latin-1': nameOf(text(0x14, 'Zertifizierungsstelle M\u00fcnchen')),
  'a BMPString': nameOf(Buffer.from([0x1e, 8, 0, 0x52, 0, 0x6f, 0, 0x6f, 0, 0x74])),
  'a UniversalString': nameOf(Buffer.from([0x1c, 8, 0, 0, 0, 0x43, 0, 0, 0, 0x41])),
  'an IA5String with eight bits': nameOf(text(0x16, 'M\u00fcnchen')),
  'a length in more octets than needed': padded(0x30, der.setOf(attribute(cn, text(0x0c, 'padded')))),
  'an indefinite length': indefinite(0x30, der.setOf(attribute(cn, text(0x0c, 'indefinite')))),
  'a padded length inside': der.sequence(padded(0x31, inSet.subarray(2))),
  'a string in parts': nameOf(der.tlv(0x2c, Buffer.concat([text(0x04, 'two '), text(0x04, 'parts')]))),
  'a set that is out of order': der.sequence(der.tlv(0x31, Buffer.concat(members))),
  'an attribute of an unknown type': der.sequence(der.setOf(attribute('1.3.6.1.4.1.55555.9', text(0x0c, 'x')))),
};

/** A CA with this name, made elsewhere, and its key in PEM. */
function caNamed(subject: Buffer): { chain: string; privateKey: string } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const spkiDer = spkiOf(privateKey);
  const algorithm = der.sequence(der.oid('1.2.840.10045.4.3.2'));
  const tbs = der.sequence(
    der.explicit(0, der.integer(2)),
    der.integer(randomBytes(9)),
    algorithm,
    subject,
    der.sequence(der.time(new Date('2026-01-01')), der.time(new Date('2049-01-01'))),
    subject,
    spkiDer,
    der.explicit(
      3,
      der.sequence(
        ...[
          extensions.basicConstraints(true),
          extensions.keyUsage(['keyCertSign', 'cRLSign']),
          extensions.subjectKeyIdentifier(keyIdentifierOf(spkiDer)),
        ].map(extensions.encodeExtension),
      ),
    ),
  );
  const certificate = der.sequence(tbs, algorithm, der.bitString(sign('sha256', tbs, privateKey)));
  const key = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  return { chain: toPem('CERTIFICATE', certificate), privateKey: key };
}

describe.each(Object.entries(names))('a CA whose name has %s', (what, subject) => {
  const name = what.replaceAll(' ', '-');
  let authority: Json;
  beforeAll(async () => {
    const { chain, privateKey } = caNamed(subject);
    clients.file('ca.pem', chain);
    authority = await program.ok('POST', '/authorities', { name, owner, chain, privateKey });
  });

  const ask = (...certificate: string[]): Promise<string> => {
    const url = ['-url', `${program.url}/pki/ocsp`, '-CAfile', 'ca.pem'];
    return clients.run('openssl', 'ocsp', '-issuer', 'ca.pem', ...certificate, ...url);
  };

  it('answers openssl that a certificate is good, and revoked after that', async () => {
    const { id, body, serialHex } = await issueFrom(program, name);
    clients.file('leaf.pem', body);
    expect(await clients.run('openssl', 'verify', '-CAfile', 'ca.pem', 'leaf.pem')).toContain('leaf.pem: OK');
    for (const asked of [
      ['-sha1', '-cert', 'leaf.pem'],
      ['-sha256', '-cert', 'leaf.pem'],
      ['-serial', `0x${serialHex}`],
    ])
      expect(await ask(...asked)).toMatch(/^\S+: good\n[^]*Response verify OK/);
    await program.ok('PUT', `/certificates/${id}/revoke`, { crlReason: 'superseded' });
    const crl = await eventually(async () => {
      const [list] = (await program.ok('GET', `/authorities/${authority.id}/crl`)).lists;
      return list?.entries === 1 && (await fetch(`${program.url}${new URL(list.url).pathname}`));
    });
    clients.file('list.der', Buffer.from(await crl.arrayBuffer()));
    // An answer is kept for a second.
    const answer = await eventually(async () => {
      const told = await ask('-cert', 'leaf.pem');
      return told.includes(': revoked') && told;
    });
    expect(answer).toMatch(/^leaf\.pem: revoked\n[^]*Response verify OK/);
    await clients.run('openssl', 'crl', '-inform', 'DER', '-in', 'list.der', '-out', 'list.pem');
    const checked = ['-crl_check', '-CRLfile', 'list.pem', '-CAfile', 'ca.pem', 'leaf.pem'];
    expect(await clients.run('openssl', 'verify', ...checked)).toContain('certificate revoked');
  });
});
