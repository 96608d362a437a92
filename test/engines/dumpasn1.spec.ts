import { beforeAll, describe, expect, it } from 'vitest';
import { buildCsr } from '../../src/pki/csr.js';
import { encodeCrlEntry, signCrl } from '../../src/pki/crl.js';
import * as der from '../../src/pki/der/writer.js';
import * as x from '../../src/pki/extensions.js';
import { issuerKeyIdentifier } from '../../src/pki/issuer-key.js';
import { KEY_TYPES } from '../../src/pki/key.js';
import { keyEntry, trustEntries } from '../../src/pki/keystore.js';
import { nameConstraints } from '../../src/pki/name-constraints.js';
import { type OcspError, ocspErrorResponse, ocspErrors, ocspWriter } from '../../src/pki/ocsp-response.js';
import { responderCertificate } from '../../src/pki/ocsp-responder.js';
import { parsePem } from '../../src/pki/pem.js';
import { writePkcs12KeyStore, writePkcs12TrustStore } from '../../src/pki/pkcs12.js';
import { pkcs7Of } from '../../src/pki/pkcs7.js';
import { newSerial } from '../../src/pki/serial.js';
import { signatureAlgorithmOf, signerOf } from '../../src/pki/sign.js';
import { asn1Faults } from '../support/dumpasn1.js';
import { type Ca, Hierarchy, inDays, KeyPool } from './hierarchy.js';

const keys = new KeyPool();
let ca: Ca;
let leafPem: string;
let leafKeyPem: string;
beforeAll(async () => {
  const hierarchy = new Hierarchy('dumpasn1', keys, () => 'ECCPRIME256V1');
  ca = await hierarchy.ca();
  const { certificate } = await hierarchy.leaf(ca);
  leafPem = `-----BEGIN CERTIFICATE-----\n${certificate.der.toString('base64')}\n-----END CERTIFICATE-----\n`;
  leafKeyPem = (await keys.get('ECCPRIME256V1', 'leaf')).export({ type: 'pkcs8', format: 'pem' }).toString();
});

describe('dumpasn1 finds no fault', () => {
  it('but where there is one', async () => {
    const notDer = new Map([
      ['a BOOLEAN of 5', Buffer.from('3003010105', 'hex')],
      ['a long INTEGER', Buffer.from('300402020005', 'hex')],
      ['a sound one', Buffer.from('30030101ff', 'hex')],
    ]);
    expect(Object.keys(await asn1Faults(notDer))).toEqual(['a BOOLEAN of 5', 'a long INTEGER']);
  });

  it.each([
    ['a text', []],
    ['a sequence', [0x30]],
  ])('in a hash that happens to begin like %s of its length', async (_, around) => {
    const contentOf = (length: number): Buffer => {
      const rest = length - 2 * around.length;
      const start = [
        ...around.flatMap((tag) => [tag, length - 2]),
        ...(around.length > 0 ? [0x0e, 0x87] : [0x16, rest - 2]),
      ];
      return Buffer.concat([Buffer.from(start), Buffer.alloc(rest - 2, 0xff)]);
    };
    const octetsOf = (length: number, ...after: Buffer[]): Buffer =>
      der.sequence(der.octetString(contentOf(length)), ...after);
    const notDer = Buffer.from('010105', 'hex');
    const objects = new Map([16, 20, 32, 33].map((length) => [String(length), octetsOf(length)]));
    objects.set('a key of Ed25519', der.sequence(der.bitString(contentOf(32))));
    const faults = await asn1Faults(objects.set('32, then a BOOLEAN of 5', octetsOf(32, notDer)));
    expect(Object.keys(faults)).toEqual(['33', '32, then a BOOLEAN of 5']);
  });

  it.each(KEY_TYPES)('in a certificate request for a key of type %s', async (keyType) => {
    const subjectAltNames = [
      { type: 'dns', value: 'www.example.com' },
      { type: 'ip', value: '2001:db8::1' },
      { type: 'email', value: 'joe@example.com' },
      { type: 'uri', value: 'https://example.com/a' },
      { type: 'registeredId', value: '1.2.3.4' },
    ] as const;
    const extensions = [
      x.basicConstraints(true, 1),
      x.keyUsage(['keyCertSign', 'cRLSign', 'decipherOnly']),
      ...[nameConstraints({ permitted: { dns: ['example.com'], ip: ['10.0.0.0/8'] } })].flatMap((one) => one ?? []),
    ];
    const subject = { commonName: 'www.example.com', organization: 'Ünïcode', country: 'CH' };
    const csr = await buildCsr({ subject, subjectAltNames, extensions }, await keys.get(keyType, 'csr'));
    expect(await asn1Faults(new Map([['csr', parsePem(csr, 'CERTIFICATE REQUEST')[0] ?? Buffer.alloc(0)]]))).toEqual(
      {},
    );
  });

  it('in key stores, trust stores and PKCS#7 chains', async () => {
    const entry = keyEntry('Web', [leafPem, ca.material.certificatePem], leafKeyPem);
    const stores = new Map<string, Buffer>([
      ['modern', await writePkcs12KeyStore(entry, 'Correct-Horse-9!', 'modern')],
      ['legacy', await writePkcs12KeyStore(entry, 'Correct-Horse-9!', 'legacy')],
      [
        'trust store',
        await writePkcs12TrustStore(
          trustEntries('web', { chainPem: [leafPem], rootPem: ca.material.certificatePem }),
          'Correct-Horse-9!',
        ),
      ],
      ['chain', pkcs7Of(entry.chainDer)],
    ]);
    expect(await asn1Faults(stores)).toEqual({});
  });

  it('in complete, sharded and delta CRLs with every reason', async () => {
    const { hash, algorithmDer } = signatureAlgorithmOf(ca.signer);
    const head = {
      issuerDer: ca.certificate.subjectDer,
      issuerKeyIdentifier: issuerKeyIdentifier(ca.certificate),
      signatureAlgorithm: algorithmDer,
      number: 2n ** 150n,
      thisUpdate: inDays(0),
      nextUpdate: inDays(7),
    };
    const url = ['http://pki.example.com/a.crl'];
    // A date from 2050 on is a GeneralizedTime.
    const dates = [inDays(-1), new Date('2051-02-03T04:05:06Z')];
    const entries = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10].flatMap((reason) =>
      dates.map((revokedAt) => encodeCrlEntry({ serial: newSerial(), revokedAt, reason, invalidityDate: inDays(-3) })),
    );
    const sign = (tbs: Buffer): Promise<Buffer> => ca.signer.sign(hash, tbs);
    const lists = new Map<string, Buffer>([
      ['empty', await signCrl(head, [], sign)],
      ['complete', await signCrl({ ...head, freshest: url }, entries, sign)],
      ['shard', await signCrl({ ...head, distributionPoint: url }, entries, sign)],
      ['delta', await signCrl({ ...head, baseNumber: 127n }, entries, sign)],
    ]);
    expect(await asn1Faults(lists)).toEqual({});
  });

  it('in OCSP answers for one certificate and for several, and in errors', async () => {
    const responder = signerOf(await keys.get('ECCPRIME256V1', 'responder'));
    const { spkiDer } = responder;
    const content = { serial: newSerial(), notBefore: inDays(-1), notAfter: inDays(3) };
    const certificateDer = await responderCertificate({ ca: ca.certificate, caSigner: ca.signer, spkiDer, ...content });
    const { hash, algorithmDer } = signatureAlgorithmOf(responder);
    const writer = ocspWriter({ spkiDer, signatureAlgorithm: algorithmDer, certificateDer });
    const algorithm = der.sequence(der.oid('2.16.840.1.101.3.4.2.1'), der.nullValue());
    const hashed = der.octetString(Buffer.alloc(32, 7));
    const certIdDer = der.sequence(algorithm, hashed, hashed, der.integer(newSerial()));
    const revokedAt = inDays(-1);
    const responses = [
      { certIdDer, status: 'good' },
      { certIdDer, status: 'unknown' },
      { certIdDer, status: { revokedAt, reason: 0 } },
      { certIdDer, status: { revokedAt, reason: 1 }, archiveCutoff: inDays(-100) },
    ] as const;
    const times = { thisUpdate: inDays(0), nextUpdate: inDays(1) };
    const answer = async (chosen: typeof responses | [(typeof responses)[number]], nonce: Buffer | null) => {
      const tbs = writer.tbs({ responses: chosen, nonce, ...times });
      return writer.assemble(tbs, await responder.sign(hash, tbs));
    };
    const answers = new Map<string, Buffer>([
      ['the certificate of the responder', certificateDer],
      ['several with a nonce', await answer(responses, Buffer.alloc(32, 9))],
      ['one', await answer([responses[0]], null)],
      ...Object.keys(ocspErrors).map((error): [string, Buffer] => [error, ocspErrorResponse(error as OcspError)]),
    ]);
    expect(await asn1Faults(answers)).toEqual({});
  });
});
