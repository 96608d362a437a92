import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { certificateWriter } from './certificate-writer.js';
import { type ParsedCertificate, parseCertificate } from './certificate.js';
import * as der from './der/writer.js';
import * as extensions from './extensions.js';
import { keyIdentifierOf } from './key.js';
import { responderCertificate } from './ocsp-responder.js';
import { newSerial } from './serial.js';
import { signatureAlgorithmOf, signerOf } from './sign.js';

const begin = new Date('2026-01-01T00:00:00Z');
const end = new Date('2036-01-01T00:00:00Z');
const newSigner = () => signerOf(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey);
const caSigner = newSigner();

const commonName = (value: Buffer): Buffer => der.sequence(der.oid('2.5.4.3'), value);
const organization = der.sequence(der.oid('2.5.4.10'), der.utf8String('Acme'));
const printable = (text: string): Buffer => der.tlv(0x13, Buffer.from(text, 'latin1'));
/** A subject with this common name alone. */
const named = (value: Buffer): Buffer => der.sequence(der.tlv(0x31, commonName(value)));

/** A CA that another program has made: nothing here looks at what it signs. */
async function importedCa(subjectDer: Buffer): Promise<ParsedCertificate> {
  const issuerKeyIdentifier = keyIdentifierOf(caSigner.spkiDer);
  const { hash, algorithmDer } = signatureAlgorithmOf(caSigner);
  const shared = { issuerDer: subjectDer, issuerKeyIdentifier, signatureAlgorithm: algorithmDer };
  const writer = certificateWriter({ ...shared, constantExtensions: [extensions.basicConstraints(true)] });
  const period = { serial: newSerial(), notBefore: begin, notAfter: end };
  const own = [extensions.keyUsage(['keyCertSign']), extensions.subjectKeyIdentifier(issuerKeyIdentifier)];
  const tbs = writer.tbs({ ...period, subjectDer, spkiDer: caSigner.spkiDer, extensions: own });
  return parseCertificate(writer.assemble(tbs, await caSigner.sign(hash, tbs)));
}

describe('the certificate of an OCSP responder', () => {
  it.each<[string, Buffer]>([
    ['in DER', named(der.utf8String('Acme CA'))],
    ['with an ampersand in a PrintableString', named(printable('Johnson & Johnson'))],
    ['with an at sign, an asterisk and an underscore in a PrintableString', named(printable('*@_'))],
    ['with Latin-1 in a UTF8String', named(der.tlv(0x0c, Buffer.from('Zürich', 'latin1')))],
    [
      'with the members of a set in the wrong order',
      der.sequence(der.tlv(0x31, organization, commonName(printable('A')))),
    ],
    ['with Latin-1 in an IA5String', named(der.tlv(0x16, Buffer.from('Zürich', 'latin1')))],
    ['with half a character in a BMPString', named(der.tlv(0x1e, Buffer.from([0, 0x41, 0])))],
    ['in a string of several parts', named(der.tlv(0x2c, der.utf8String('Acme'), der.utf8String(' CA')))],
  ])('is signed by an imported CA with a name %s, below that name octet by octet', async (_, subjectDer) => {
    const ca = await importedCa(subjectDer);
    const { spkiDer } = newSigner();
    const notAfter = new Date('2026-01-05T00:00:00Z');
    const made = await responderCertificate({ ca, caSigner, spkiDer, serial: newSerial(), notBefore: begin, notAfter });
    const responder = parseCertificate(made);
    expect(responder.issuerDer).toEqual(subjectDer);
    expect(responder.subjectDer.includes(subjectDer.subarray(2))).toBe(true);
    const caKey = createPublicKey({ key: caSigner.spkiDer, format: 'der', type: 'spki' });
    // OpenSSL reads some of these names no more than the lint does, but their octets can be verified.
    expect(verify('sha256', responder.tbsDer, caKey, responder.signature)).toBe(true);
  });
});
