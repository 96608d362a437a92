import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import * as x509 from '@peculiar/x509';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { mutationsOf, runOn } from '../../test/support/x509.js';
import { certificateWriter } from './certificate-writer.js';
import { isSelfIssued, isSignedBy, parseCertificate, titleOf } from './certificate.js';
import { bitString, sequence } from './der/writer.js';
import * as own from './extensions.js';
import { keyIdentifierOf, spkiOf } from './key.js';
import { encodeSubject } from './names.js';
import { toPem } from './pem.js';
import { signatureAlgorithmOf, signerOf } from './sign.js';

const roots = rootCertificates.map((pem) => parseCertificate(pem));

/** A self-signed certificate made by openssl. */
function selfSigned(...args: string[]): string {
  return runOn(
    {},
    'sh',
    '-c',
    'openssl req -x509 -nodes -keyout key.pem -days 30 -out cert.pem "$@" 2>/dev/null && cat cert.pem',
    'sh',
    ...args,
  );
}

describe('reading certificates', () => {
  it.each(rootCertificates.map((pem) => [parseCertificate(pem).subject, pem]))(
    'agrees with OpenSSL on %s',
    (_, pem) => {
      const ours = parseCertificate(pem);
      const theirs = new X509Certificate(pem);
      expect(ours.serialHex).toBe(theirs.serialNumber.replace(/^0+(?=.)/, ''));
      expect(ours.fingerprintSha256.toUpperCase()).toBe(theirs.fingerprint256.replaceAll(':', ''));
      expect(ours.notBefore).toEqual(new Date(theirs.validFrom));
      expect(ours.notAfter).toEqual(new Date(theirs.validTo));
      expect(ours.isCa).toBe(theirs.ca);
      expect(ours.bits).toBe(
        theirs.publicKey.asymmetricKeyDetails?.modulusLength ??
          Number(/\d+/.exec(theirs.publicKey.asymmetricKeyDetails?.namedCurve ?? '')?.[0]),
      );
      expect(ours.subjectFields.commonName).toBe(/^CN=(.*)$/m.exec(theirs.subject)?.[1]);
      expect(BigInt(ours.serialDecimal)).toBe(BigInt(`0x${theirs.serialNumber}`));
    },
  );

  it('formats names as openssl does', () => {
    for (const pem of rootCertificates.slice(0, 40)) {
      expect(`subject=${parseCertificate(pem).subject}`).toBe(
        runOn(
          { 'c.pem': pem },
          'openssl',
          'x509',
          '-in',
          'c.pem',
          '-noout',
          '-subject',
          '-nameopt',
          'rfc2253,utf8,-esc_msb',
        ).trim(),
      );
    }
  });

  it('reads every field of a leaf', () => {
    const pem = selfSigned(
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-384',
      '-sha384',
      '-subj',
      '/C=CH/O=Example/CN=www.example.com',
      '-set_serial',
      '0x0a1b',
      '-addext',
      'subjectAltName=DNS:WWW.example.com,IP:192.0.2.7,IP:2001:db8::7,email:a@example.com,' +
        'URI:https://example.com/,RID:1.2.3,otherName:1.2.3;UTF8:x',
      '-addext',
      'keyUsage=critical,digitalSignature,keyAgreement',
      '-addext',
      'extendedKeyUsage=serverAuth,1.2.3.4',
      '-addext',
      'basicConstraints=critical,CA:TRUE,pathlen:2',
    );
    const certificate = parseCertificate(`leading text\n${pem}`);
    expect(certificate).toMatchObject({
      serialHex: 'A1B',
      serialDecimal: '2587',
      subject: 'CN=www.example.com,O=Example,C=CH',
      subjectFields: { commonName: 'www.example.com', organization: 'Example', country: 'CH' },
      subjectAltNames: [
        { type: 'dns', value: 'www.example.com' },
        { type: 'ip', value: '192.0.2.7' },
        { type: 'ip', value: '2001:db8::7' },
        { type: 'email', value: 'a@example.com' },
        { type: 'uri', value: 'https://example.com/' },
        { type: 'registeredId', value: '1.2.3' },
      ],
      otherAltNames: [{ type: 'otherName', value: '1.2.3;UTF8:x' }],
      keyUsage: ['digitalSignature', 'keyAgreement'],
      extendedKeyUsage: ['1.3.6.1.5.5.7.3.1', '1.2.3.4'],
      isCa: true,
      pathLength: 2,
      keyType: 'ECCSECP384R1',
      bits: 384,
      signatureAlgorithm: 'sha384',
    });
    expect(certificate.subjectKeyIdentifier).toBe(certificate.authorityKeyIdentifier);
    expect(isSelfIssued(certificate)).toBe(true);
    expect(titleOf(certificate)).toBe('www.example.com');
  });

  it.each<[string, string[], object]>([
    [
      'RSASSA-PSS',
      ['-newkey', 'rsa:2048', '-sigopt', 'rsa_padding_mode:pss', '-sha384', '-subj', '/CN=a'],
      { keyType: 'RSA2048', signatureAlgorithm: 'sha384' },
    ],
    ['SHA-1', ['-newkey', 'rsa:2048', '-sha1', '-subj', '/CN=a'], { signatureAlgorithm: 'sha1' }],
    ['Ed25519', ['-newkey', 'ed25519', '-subj', '/CN=a'], { keyType: 'ED25519', signatureAlgorithm: 'ed25519' }],
    ['Ed448', ['-newkey', 'ed448', '-subj', '/CN=a'], { keyType: 'ED448', signatureAlgorithm: 'ed448' }],
    [
      'a negative serial',
      ['-newkey', 'ed25519', '-subj', '/CN=a', '-set_serial', '-171'],
      { serialHex: '-AB', serialDecimal: '-171' },
    ],
    [
      'an empty subject',
      ['-newkey', 'ed25519', '-subj', '/', '-addext', 'subjectAltName=DNS:a.example'],
      { subject: '', subjectFields: {} },
    ],
  ])('reads and verifies %s', async (_, args, expected) => {
    const certificate = parseCertificate(selfSigned(...args));
    expect(certificate).toMatchObject(expected);
    expect(await isSignedBy(certificate, certificate)).toBe(true);
  });

  it('reads version 1', () => {
    const pem = runOn(
      {},
      'sh',
      '-c',
      'openssl req -new -newkey ed25519 -nodes -keyout k -subj /CN=old -out r ' +
        '2>/dev/null; openssl x509 -req -in r -signkey k 2>/dev/null',
    );
    expect(parseCertificate(pem)).toMatchObject({ subject: 'CN=old', extensions: [], isCa: false });
  });

  it('refuses none, and more than one', () => {
    const [a = '', b = ''] = rootCertificates;
    expect(() => parseCertificate(a + b)).toThrow(expect.objectContaining({ code: 'malformed-certificate' }));
    expect(() => parseCertificate('')).toThrow(expect.objectContaining({ code: 'malformed-pem' }));
  });

  it('throws only PkiError for mutated certificates', () => {
    const samples = [
      ...roots.slice(0, 6).map(({ der }) => der),
      parseCertificate(
        selfSigned(
          '-newkey',
          'rsa:2048',
          '-sigopt',
          'rsa_padding_mode:pss',
          '-subj',
          '/CN=a',
          '-addext',
          'subjectAltName=DNS:a,IP:::1,RID:1.2',
          '-addext',
          'keyUsage=digitalSignature',
          '-addext',
          'extendedKeyUsage=serverAuth',
        ),
      ).der,
    ];
    fc.assert(
      fc.property(
        fc.oneof(
          mutationsOf(...samples),
          fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        ),
        (der) => {
          try {
            parseCertificate(der);
          } catch (error) {
            expect(error).toMatchObject({ name: 'PkiError', code: 'malformed-certificate' });
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('verifies no modified certificate', async () => {
    const root = parseCertificate(selfSigned('-newkey', 'ed25519', '-subj', '/CN=a'));
    await fc.assert(
      fc.asyncProperty(mutationsOf(root.der), async (der) => {
        fc.pre(!der.equals(root.der));
        try {
          const read = parseCertificate(der);
          // Octets after the certificate and padded lengths outside the signed part change nothing.
          const isSame = read.tbsDer.equals(root.tbsDer) && read.signature.equals(root.signature);
          expect(await isSignedBy(read, root)).toBe(isSame && read.algorithmsAgree);
        } catch (error) {
          expect(error).toHaveProperty('name', 'PkiError');
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('isSignedBy', () => {
  it('is true for every real root and itself', async () => {
    const results = await Promise.all(roots.map((root) => isSignedBy(root, root)));
    expect(results).not.toContain(false);
  });

  it('is false for another name or another key', async () => {
    const [first, second] = [
      selfSigned('-newkey', 'ed25519', '-subj', '/CN=a'),
      selfSigned('-newkey', 'ed25519', '-subj', '/CN=a'),
    ].map((pem) => parseCertificate(pem));
    const [rsa] = [selfSigned('-newkey', 'rsa:2048', '-subj', '/CN=a')].map((pem) => parseCertificate(pem));
    if (!first || !second || !rsa) throw new Error('unreachable');
    expect(await isSignedBy(first, second)).toBe(false);
    expect(await isSignedBy(first, rsa)).toBe(false);
    const [root] = roots;
    expect(root && (await isSignedBy(first, root))).toBe(false);
  });
});

describe('writing certificates', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const signer = signerOf(privateKey);
  const { hash, algorithmDer } = signatureAlgorithmOf(signer);
  const keyId = keyIdentifierOf(spkiOf(privateKey));
  const subjectDer = encodeSubject({ commonName: 'www.example.com', organization: 'Example' });
  const writer = certificateWriter({
    issuerDer: subjectDer,
    issuerKeyIdentifier: keyId,
    signatureAlgorithm: algorithmDer,
    constantExtensions: [own.basicConstraints(false)],
  });
  const content = {
    serial: Buffer.from('00ff01', 'hex'),
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date('2051-01-01T00:00:00Z'),
    subjectDer,
    spkiDer: signer.spkiDer,
    extensions: [
      own.subjectKeyIdentifier(keyId),
      own.subjectAltName([{ type: 'dns', value: 'www.example.com' }], false),
    ],
  };
  let der: Buffer;
  beforeAll(async () => {
    const tbs = writer.tbs(content);
    der = writer.assemble(tbs, await signer.sign(hash, tbs));
  });

  it('agrees with @peculiar/x509', () => {
    const theirs = new x509.X509Certificate(der);
    expect(theirs.serialNumber).toBe('ff01');
    expect(theirs.subject).toBe('O=Example, CN=www.example.com');
    expect(theirs.notBefore).toEqual(content.notBefore);
    expect(theirs.notAfter).toEqual(content.notAfter);
    expect(theirs.extensions.map(({ type }) => type)).toEqual(['2.5.29.35', '2.5.29.19', '2.5.29.14', '2.5.29.17']);
    expect(Buffer.from(theirs.publicKey.rawData)).toEqual(signer.spkiDer);
  });

  it('agrees with its own reader and with openssl', async () => {
    const ours = parseCertificate(der);
    expect(ours).toMatchObject({
      serialHex: 'FF01',
      notAfter: content.notAfter,
      isCa: false,
      authorityKeyIdentifier: keyId.toString('hex'),
    });
    expect(await isSignedBy(ours, ours)).toBe(true);
    expect(
      runOn({ 'c.pem': toPem('CERTIFICATE', der) }, 'openssl', 'x509', '-in', 'c.pem', '-noout', '-serial', '-enddate'),
    ).toBe('serial=FF01\nnotAfter=Jan  1 00:00:00 2051 GMT\n');
  });

  it('rejects a signature when the outer algorithm differs from the signed one', async () => {
    const { tbsDer, signature } = parseCertificate(der);
    const { algorithmDer: another } = signatureAlgorithmOf({ keyType: 'ec', namedCurve: 'secp384r1' });
    const odd = parseCertificate(sequence(tbsDer, another, bitString(signature)));
    expect(odd.algorithmsAgree).toBe(false);
    expect(await isSignedBy(odd, parseCertificate(der))).toBe(false);
  });

  it('refuses an extension that repeats another, or a shared one', () => {
    expect(() => writer.tbs({ ...content, extensions: [own.basicConstraints(true)] })).toThrow(
      expect.objectContaining({ code: 'bad-extension' }),
    );
  });
});
