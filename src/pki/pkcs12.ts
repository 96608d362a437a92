import { createCipheriv, createHmac, randomBytes } from 'node:crypto';
import { bmpString, explicit, implicit, integer, nullValue, octetString, oid, sequence, setOf } from './der/writer.js';
import { KeyEntry, TrustEntry, withJavaAliases } from './keystore.js';
import { encryptedPrivateKeyInfo, PasswordEncrypted, pbes2Encrypt } from './pkcs8.js';
import { PURPOSE, Pkcs12Secret, pkcs12Kdf } from './pkcs12-kdf.js';

const DATA = '1.2.840.113549.1.7.1';
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6';
const SHROUDED_KEY_BAG = '1.2.840.113549.1.12.10.1.2';
const CERTIFICATE_BAG = '1.2.840.113549.1.12.10.1.3';
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1';
const FRIENDLY_NAME = '1.2.840.113549.1.9.20';
const LOCAL_KEY_ID = '1.2.840.113549.1.9.21';
const PBE_SHA1_3DES = '1.2.840.113549.1.12.1.3';
const JAVA_TRUSTED_KEY_USAGE = '2.16.840.1.113894.746875.1.1';
const ANY_EXTENDED_KEY_USAGE = '2.5.29.37.0';
const DIGEST_OIDS = { sha1: '1.3.14.3.2.26', sha256: '2.16.840.1.101.3.4.2.1' } as const;
const SALT_OCTETS = 20;

interface Scheme {
  digest: keyof typeof DIGEST_OIDS;
  iterations: number;
  encrypt(plain: Buffer, password: string, iterations: number): Promise<PasswordEncrypted>;
}

const SCHEMES = {
  modern: { digest: 'sha256', iterations: 100_000, encrypt: pbes2Encrypt },
  legacy: { digest: 'sha1', iterations: 2_048, encrypt: pbeSha1TripleDes },
} satisfies Record<string, Scheme>;

/**
 * `modern`: PBES2 with AES-256 and a SHA-256 MAC; for Java from 8u301 and Windows from Server 2019. `legacy`: 3DES and
 * SHA-1 for older readers. Never RC2, which OpenSSL 3 refuses.
 */
export type Pkcs12Scheme = keyof typeof SCHEMES;

/** A PFX (RFC 7292 §4), DER, with one key and its chain. `password` is printable ASCII. */
export async function writePkcs12KeyStore(
  entry: KeyEntry,
  password: string,
  schemeName: Pkcs12Scheme,
): Promise<Buffer> {
  const scheme = SCHEMES[schemeName];
  const ofPair = [friendlyName(entry.alias.toLowerCase()), attribute(LOCAL_KEY_ID, octetString(Buffer.from([1])))];
  const certificates = entry.chainDer.map((der, depth) => certificateBag(der, depth === 0 ? ofPair : []));
  const [encryptedKey, encryptedCertificates] = await Promise.all([
    scheme.encrypt(entry.pkcs8Der, password, scheme.iterations),
    scheme.encrypt(sequence(...certificates), password, scheme.iterations),
  ]);
  const keyBag = bag(SHROUDED_KEY_BAG, encryptedPrivateKeyInfo(encryptedKey), ofPair);
  return pfx([encryptedContent(encryptedCertificates), plainContent(sequence(keyBag))], password, scheme);
}

/**
 * A PFX, DER, of certificates to be trusted by Java; `modern` scheme. Throws RangeError when two aliases differ in case
 * only.
 */
export async function writePkcs12TrustStore(entries: readonly TrustEntry[], password: string): Promise<Buffer> {
  const scheme = SCHEMES.modern;
  // Without this attribute Java regards the certificates as chain parts and shows an empty store.
  const trusted = attribute(JAVA_TRUSTED_KEY_USAGE, oid(ANY_EXTENDED_KEY_USAGE));
  const bags = withJavaAliases(entries).map(({ alias, certificateDer }) =>
    certificateBag(certificateDer, [friendlyName(alias), trusted]),
  );
  return pfx(
    [encryptedContent(await scheme.encrypt(sequence(...bags), password, scheme.iterations))],
    password,
    scheme,
  );
}

async function pfx(contents: readonly Buffer[], password: string, { digest, iterations }: Scheme): Promise<Buffer> {
  const authenticatedSafe = sequence(...contents);
  const salt = randomBytes(SALT_OCTETS);
  const digestOctets = digest === 'sha1' ? 20 : 32;
  const macKey = await pkcs12Kdf(PURPOSE.mac, { digest, password, salt, iterations }, digestOctets);
  const mac = createHmac(digest, macKey).update(authenticatedSafe).digest();
  const digestInfo = sequence(sequence(oid(DIGEST_OIDS[digest]), nullValue()), octetString(mac));
  return sequence(
    integer(3),
    plainContent(authenticatedSafe),
    sequence(digestInfo, octetString(salt), integer(iterations)),
  );
}

async function pbeSha1TripleDes(plain: Buffer, password: string, iterations: number): Promise<PasswordEncrypted> {
  const secret: Pkcs12Secret = { digest: 'sha1', password, salt: randomBytes(SALT_OCTETS), iterations };
  const cipher = createCipheriv(
    'des-ede3-cbc',
    await pkcs12Kdf(PURPOSE.key, secret, 24),
    await pkcs12Kdf(PURPOSE.iv, secret, 8),
  );
  return {
    algorithm: sequence(oid(PBE_SHA1_3DES), sequence(octetString(secret.salt), integer(iterations))),
    ciphertext: Buffer.concat([cipher.update(plain), cipher.final()]),
  };
}

function plainContent(content: Buffer): Buffer {
  return sequence(oid(DATA), explicit(0, octetString(content)));
}

function encryptedContent({ algorithm, ciphertext }: PasswordEncrypted): Buffer {
  const encryptedContentInfo = sequence(oid(DATA), algorithm, implicit(0, ciphertext));
  return sequence(oid(ENCRYPTED_DATA), explicit(0, sequence(integer(0), encryptedContentInfo)));
}

function certificateBag(certificateDer: Buffer, attributes: readonly Buffer[]): Buffer {
  return bag(CERTIFICATE_BAG, sequence(oid(X509_CERTIFICATE), explicit(0, octetString(certificateDer))), attributes);
}

function bag(type: string, value: Buffer, attributes: readonly Buffer[]): Buffer {
  return sequence(oid(type), explicit(0, value), ...(attributes.length > 0 ? [setOf(...attributes)] : []));
}

function friendlyName(alias: string): Buffer {
  return attribute(FRIENDLY_NAME, bmpString(alias));
}

function attribute(type: string, value: Buffer): Buffer {
  return sequence(oid(type), setOf(value));
}
