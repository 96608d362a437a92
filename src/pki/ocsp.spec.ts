import { createHash, createPrivateKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openssl } from '../../test/support/bundles.js';
import { mutationsOf, runOn } from '../../test/support/x509.js';
import { type ParsedCertificate, parseCertificate } from './certificate.js';
import * as der from './der/writer.js';
import { generatePrivateKey } from './key.js';
import { issuerIdsOf, OcspOid, readOcspRequest } from './ocsp-request.js';
import { responderCertificate } from './ocsp-responder.js';
import { ocspErrorResponse, ocspErrors, ocspWriter, type OcspStatus } from './ocsp-response.js';
import { toPem } from './pem.js';
import { PkiError } from './pki-error.js';
import { newSerial } from './serial.js';
import { signatureAlgorithmOf, signerOf } from './sign.js';

const folder = mkdtempSync(join(tmpdir(), 'ocsp-'));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Makes `<name>.pem` and `<name>.key`: a CA, or a leaf of the CA `issuer`. */
function make(name: string, key: readonly string[], issuer?: string): void {
  const signed = issuer ? ['-CA', at(`${issuer}.pem`), '-CAkey', at(`${issuer}.key`)] : [];
  const usage = issuer ? [] : ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
  const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)];
  openssl([
    'req',
    '-x509',
    '-days',
    '30',
    '-nodes',
    ...key,
    '-subj',
    `/O=Acme/CN=${name}`,
    ...usage,
    ...signed,
    ...files,
  ]);
}

const p256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
const certificate = (name: string): ParsedCertificate => parseCertificate(readFileSync(at(`${name}.pem`), 'utf8'));

beforeAll(() => {
  make('ca', p256);
  make('leaf', p256, 'ca');
  make('other', p256, 'ca');
});

/** A request as OpenSSL writes it. */
function request(...asked: readonly string[]): Buffer {
  openssl(['ocsp', '-issuer', at('ca.pem'), ...asked, '-reqout', at('request.der')]);
  return readFileSync(at('request.der'));
}

describe('readOcspRequest', () => {
  it.each([
    ['SHA-1', []],
    ['SHA-256', ['-sha256']],
    ['SHA-384', ['-sha384']],
    ['SHA-512', ['-sha512']],
  ])('reads a request of OpenSSL with a CertID by %s', (_, digest) => {
    const { certIds, nonce } = readOcspRequest(request('-no_nonce', ...digest, '-cert', at('leaf.pem')));
    expect(nonce).toBeNull();
    expect(certIds.map(({ serialHex }) => serialHex)).toEqual([certificate('leaf').serialHex]);
    expect(issuerIdsOf(certificate('ca'))).toContain(certIds[0]?.issuerId);
    expect(issuerIdsOf(certificate('other'))).not.toContain(certIds[0]?.issuerId);
  });

  it('reads several certificates, a nonce, a requestor and a signature', () => {
    const signed = ['-signer', at('leaf.pem'), '-signkey', at('leaf.key')];
    const asked = ['-cert', at('leaf.pem'), '-serial', '0x00ABCDEF', '-nonce', ...signed];
    const { certIds, nonce } = readOcspRequest(request(...asked));
    expect(certIds.map(({ serialHex }) => serialHex)).toEqual([certificate('leaf').serialHex, 'ABCDEF']);
    expect(nonce).toHaveLength(16);
  });

  it('reads a request of GnuTLS', () => {
    const files = { 'ca.pem': readFileSync(at('ca.pem')), 'leaf.pem': readFileSync(at('leaf.pem')) };
    const script =
      'ocsptool --generate-request --load-issuer ca.pem --load-cert leaf.pem --outfile r.der >&2; base64 r.der';
    const text = runOn(files, '/bin/sh', '-c', script);
    const encoded = text.slice(text.lastIndexOf('MF') >= 0 ? text.search(/^MF|^MG|^ME/m) : 0);
    const { certIds } = readOcspRequest(Buffer.from(encoded, 'base64'));
    expect(certIds.map(({ serialHex }) => serialHex)).toEqual([certificate('leaf').serialHex]);
  });

  const certId = (algorithm = der.sequence(der.oid('1.3.14.3.2.26'), der.nullValue())): Buffer =>
    der.sequence(algorithm, der.octetString(Buffer.alloc(20)), der.octetString(Buffer.alloc(20)), der.integer(1));
  const one = (...more: Buffer[]): Buffer => der.sequence(der.sequence(certId(), ...more));
  const extension = (oid: string, critical: boolean, value: Buffer): Buffer =>
    der.sequence(der.oid(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
  const withExtensions = (...list: Buffer[]): Buffer =>
    der.sequence(der.sequence(one(), der.explicit(2, der.sequence(...list))));
  const nonce = (length: number): Buffer => extension(OcspOid.nonce, false, der.octetString(Buffer.alloc(length, 7)));

  it.each<[string, Buffer]>([
    ['no extension', der.sequence(der.sequence(one()))],
    ['the default version', der.sequence(der.sequence(der.explicit(0, der.integer(0)), one()))],
    [
      'absent parameters',
      der.sequence(der.sequence(der.sequence(der.sequence(certId(der.sequence(der.oid('1.3.14.3.2.26'))))))),
    ],
    [
      'an unknown hash',
      der.sequence(der.sequence(der.sequence(der.sequence(certId(der.sequence(der.oid('1.2.3'), der.integer(1))))))),
    ],
    ['a nonce of 1 octet', withExtensions(nonce(1))],
    ['a nonce of 128 octets', withExtensions(nonce(128))],
    ['a critical nonce', withExtensions(extension(OcspOid.nonce, true, der.octetString(Buffer.alloc(32))))],
    ['an unknown extension', withExtensions(extension('1.2.3', false, Buffer.alloc(3)))],
    [
      'an unknown extension of one request',
      der.sequence(der.sequence(one(der.explicit(0, der.sequence(extension('1.2.3', false, Buffer.alloc(3))))))),
    ],
  ])('accepts %s', (_, bytes) => expect(readOcspRequest(bytes).certIds).toHaveLength(1));

  it('knows no issuer by a hash that is not known', () => {
    const unknown = certId(der.sequence(der.oid('1.2.3')));
    const { certIds } = readOcspRequest(der.sequence(der.sequence(der.sequence(der.sequence(unknown)))));
    expect(certIds).toEqual([{ der: unknown, issuerId: null, serialHex: '1' }]);
  });

  const many = (count: number): Buffer =>
    der.sequence(der.sequence(der.sequence(...Array.from({ length: count }, () => der.sequence(certId())))));

  it('reads 32 certificates', () => expect(readOcspRequest(many(32)).certIds).toHaveLength(32));

  it.each<[string, Buffer]>([
    ['33 certificates', many(33)],
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('GET / HTTP/1.1')],
    ['no certificate', der.sequence(der.sequence(der.sequence()))],
    ['another version', der.sequence(der.sequence(der.explicit(0, der.integer(1)), one()))],
    ['trailing octets', Buffer.concat([der.sequence(der.sequence(one())), Buffer.from([0])])],
    [
      'an element behind the extensions',
      der.sequence(der.sequence(one(), der.explicit(2, der.sequence(nonce(8))), der.nullValue())),
    ],
    ['an empty nonce', withExtensions(nonce(0))],
    ['a nonce of 129 octets', withExtensions(nonce(129))],
    ['a nonce without its OCTET STRING', withExtensions(extension(OcspOid.nonce, false, Buffer.alloc(16, 1)))],
    ['two nonces', withExtensions(nonce(8), nonce(8))],
    ['a critical extension that is not known', withExtensions(extension('1.2.3', true, Buffer.alloc(3)))],
    [
      'a critical extension of one request',
      der.sequence(der.sequence(one(der.explicit(0, der.sequence(extension('1.2.3', true, Buffer.alloc(3))))))),
    ],
    [
      'parameters of a known hash',
      der.sequence(
        der.sequence(der.sequence(der.sequence(certId(der.sequence(der.oid('1.3.14.3.2.26'), der.integer(1)))))),
      ),
    ],
    [
      'a serial number of 65 octets',
      der.sequence(
        der.sequence(
          der.sequence(
            der.sequence(
              der.sequence(
                der.sequence(der.oid('1.3.14.3.2.26')),
                der.octetString(Buffer.alloc(20)),
                der.octetString(Buffer.alloc(20)),
                der.integer(Buffer.alloc(65, 1)),
              ),
            ),
          ),
        ),
      ),
    ],
  ])('refuses %s', (_, bytes) =>
    expect(() => readOcspRequest(bytes)).toThrow(expect.objectContaining({ code: 'malformed-ocsp-request' })),
  );

  it('throws PkiError and nothing else on damaged requests', () => {
    const originals = [request('-sha256', '-cert', at('leaf.pem')), withExtensions(nonce(32))];
    fc.assert(
      fc.property(
        fc.oneof(
          mutationsOf(...originals),
          fc.uint8Array({ maxLength: 80 }).map((b) => Buffer.from(b)),
        ),
        (bytes) => {
          try {
            readOcspRequest(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(PkiError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

/** What OpenSSL writes, whether it succeeds or not. */
function saidBy(files: Parameters<typeof runOn>[0], ...args: readonly string[]): string {
  try {
    return runOn(files, 'openssl', ...args);
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout);
  }
}

/**
 * What OpenSSL says of a response, whose chain it verifies; the CA alone is trusted. Without certificates to look for
 * it compares the nonce with that of the last request.
 */
function judged(response: Buffer, ...asked: readonly string[]): string {
  const files = {
    'ca.pem': readFileSync(at('ca.pem')),
    'request.der': readFileSync(at('request.der')),
    'response.der': response,
  };
  const answer = ['-respin', 'response.der', '-CAfile', 'ca.pem', '-issuer', 'ca.pem'];
  const compared = asked.length > 0 ? ['-no_nonce'] : ['-reqin', 'request.der'];
  return saidBy(files, 'ocsp', ...compared, ...answer, ...asked);
}

describe('ocspWriter', () => {
  const hour = 3_600_000;
  const now = Math.floor(Date.now() / 1000) * 1000;
  const keys = [
    ['ECCPRIME256V1', p256],
    ['ECCSECP384R1', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['RSA2048', ['-newkey', 'rsa:2048']],
    ['ED25519', ['-newkey', 'ed25519']],
  ] as const;

  /** A response by a delegated responder to the request in `request.der`. */
  async function respond(keyType: string, status: OcspStatus, archiveCutoff?: Date): Promise<Buffer> {
    const ca = certificate('ca');
    const signer = signerOf(await generatePrivateKey(keyType));
    const certificateDer = await responderCertificate({
      ca,
      caSigner: signerOf(createPrivateKey(readFileSync(at('ca.key')))),
      spkiDer: signer.spkiDer,
      serial: newSerial(),
      notBefore: ca.notBefore,
      notAfter: new Date(now + 24 * hour),
    });
    writeFileSync(at('responder.pem'), toPem('CERTIFICATE', certificateDer));
    const { hash, algorithmDer } = signatureAlgorithmOf(signer);
    const writer = ocspWriter({ spkiDer: signer.spkiDer, signatureAlgorithm: algorithmDer, certificateDer });
    const { certIds, nonce } = readOcspRequest(readFileSync(at('request.der')));
    const tbs = writer.tbs({
      responses: certIds.map((id) => ({ certIdDer: id.der, status, archiveCutoff })),
      thisUpdate: new Date(now),
      nextUpdate: new Date(now + hour),
      nonce,
    });
    return writer.assemble(tbs, await signer.sign(hash, tbs));
  }

  it.each(keys)('writes a response by a delegated %s key that OpenSSL verifies', async (keyType, newKey) => {
    make('ca', newKey);
    make('leaf', p256, 'ca');
    make('other', p256, 'ca');
    request('-nonce', '-sha256', '-cert', at('leaf.pem'), '-sha256', '-cert', at('other.pem'));
    const text = judged(
      await respond(keyType, 'good'),
      '-sha256',
      '-cert',
      at('leaf.pem'),
      '-sha256',
      '-cert',
      at('other.pem'),
    );
    expect(text).toContain('Response verify OK');
    expect(text).toMatch(/leaf\.pem: good\n/);
    expect(text).toMatch(/other\.pem: good\n/);
    openssl(['verify', '-x509_strict', '-purpose', 'ocsphelper', '-CAfile', at('ca.pem'), at('responder.pem')]);
  });

  it.each<[string, OcspStatus, RegExp]>([
    ['unknown', 'unknown', /: unknown\n/],
    ['a reason', { revokedAt: new Date(now - hour), reason: 1 }, /: revoked\n[^]*Reason: keyCompromise/],
    ['no reason', { revokedAt: new Date(now - hour), reason: 0 }, /: revoked\n(?![^]*Reason)/],
  ])('writes a response with %s', async (_, status, expected) => {
    request('-cert', at('leaf.pem'));
    const text = judged(await respond('ECCPRIME256V1', status), '-cert', at('leaf.pem'));
    expect(text).toContain('Response verify OK');
    expect(text).toMatch(expected);
  });

  it('writes the archive cutoff, and the hash of the key as ResponderID', async () => {
    request('-cert', at('leaf.pem'));
    const response = await respond('ECCPRIME256V1', 'good', new Date('2020-01-02T03:04:05Z'));
    const text = judged(response, '-cert', at('leaf.pem'), '-resp_text');
    expect(text).toMatch(/Archive Cutoff:\s+Jan {2}2 03:04:05 2020 GMT/);
    const point = parseCertificate(readFileSync(at('responder.pem'), 'utf8')).spkiDer.subarray(26);
    expect(text).toContain(`Responder Id: ${createHash('sha1').update(point).digest('hex').toUpperCase()}`);
  });

  it('repeats the nonce, so that OpenSSL believes the response to its own request alone', async () => {
    request('-cert', at('leaf.pem'), '-nonce');
    const response = await respond('ECCPRIME256V1', 'good');
    expect(judged(response)).toContain('Response verify OK');
    request('-cert', at('leaf.pem'), '-nonce');
    expect(judged(response)).toContain('Nonce Verify error');
  });

  it.each(Object.entries(ocspErrors))('writes the error %s as OpenSSL reads it', (name) => {
    const response = ocspErrorResponse(name as keyof typeof ocspErrors);
    const said = saidBy({ 'r.der': response }, 'ocsp', '-respin', 'r.der', '-noverify');
    expect(said.toLowerCase()).toContain(`responder error: ${name.toLowerCase()}`);
  });
});
