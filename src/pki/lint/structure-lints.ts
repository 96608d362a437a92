import { DerError, DerReader, readTlv, Tag } from '../der/reader.js';
import { lint, type Lint, repeated } from './lint.js';
import { isKnownExtension, isProperTime } from './linted-certificate.js';

// Version, serial number, algorithms, keys and times.

const RSA = '1.2.840.113549.1.1.1';
const EC = '1.2.840.10045.2.1';
/** `1.2.840.113549.1.1.x` with a hash: PKCS #1 v1.5. */
const PKCS1_SIGNATURE = /^1\.2\.840\.113549\.1\.1\.(?!10$)\d+$/;
const PSS = '1.2.840.113549.1.1.10';
const NULL = Buffer.from([0x05, 0x00]);
const longestSerial = 20;
const shortestRandomSerial = 8;

export const structureLints: readonly Lint[] = [
  lint('version-3', 'RFC 5280 §4.1.2.1', 'The version is 3.', ({ version }) => version !== 2),
  lint('serial-positive', 'RFC 5280 §4.1.2.2', 'The serial number is positive.', ({ serial }) => {
    return (serial[0] ?? 0) >= 0x80 || serial.every((octet) => octet === 0);
  }),
  lint('serial-at-most-20-octets', 'RFC 5280 §4.1.2.2', 'The serial number has at most 20 octets.', ({ serial }) => {
    return serial.length > longestSerial;
  }),
  lint(
    'serial-at-least-64-bits',
    'BR §7.1',
    'The serial number has room for 64 random bits.',
    ({ serial }) => serial.length < shortestRandomSerial,
    { scope: 'leaf' },
  ),
  lint(
    'same-signature-algorithm',
    'RFC 5280 §4.1.1.2',
    'The signature algorithm is the same inside and outside of the signed part.',
    ({ algorithmDer }, { signatureAlgorithm }) => !algorithmDer.equals(signatureAlgorithm),
  ),
  lint(
    'signature-algorithm-parameters',
    'RFC 4055 §5, RFC 5758 §3.2, RFC 8410 §3',
    'The parameters of the signature algorithm are NULL for RSA, and absent for ECDSA and Ed25519.',
    ({ algorithmDer }) => {
      const algorithm = DerReader.enter(algorithmDer);
      const oid = algorithm.oid();
      if (PKCS1_SIGNATURE.test(oid)) return !algorithm.more || !algorithm.raw().equals(NULL);
      return oid !== PSS && algorithm.more;
    },
  ),
  lint(
    'key-parameters',
    'RFC 3279 §2.3.1, RFC 5480 §2.1.1, RFC 8410 §3',
    'The parameters of the public key are NULL for RSA, a named curve for EC, and absent for Ed25519.',
    ({ key: { oid, parameters } }) => {
      if (oid === RSA) return !parameters.equals(NULL);
      if (oid === EC) return parameters[0] !== Tag.oid;
      return oid.startsWith('1.3.101.') && parameters.length > 0;
    },
    { excuse: 'renewal' },
  ),
  lint(
    'no-unique-identifiers',
    'RFC 5280 §4.1.2.8',
    'There are no unique identifiers.',
    ({ hasUniqueIds }) => hasUniqueIds,
  ),
  lint(
    'time-form',
    'RFC 5280 §4.1.2.5',
    'Times are in UTC with seconds and without fractions: UTCTime until 2049, GeneralizedTime from 2050.',
    ({ notBefore, notAfter }) => [notBefore, notAfter].find((time) => !isProperTime(time))?.text ?? false,
  ),
  lint('validity-order', 'RFC 5280 §4.1.2.5', 'The validity ends after it begins.', ({ notBefore, notAfter }) => {
    return !(notAfter.at > notBefore.at);
  }),
  lint(
    'validity-within-issuer',
    'RFC 5280 §6.1.3 (a)(2)',
    'The certificate is valid only while the CA that signs it is.',
    ({ notBefore, notAfter }, { limits }) => {
      return (
        limits !== undefined && (notAfter.at > limits.notAfter.getTime() || notBefore.at < limits.notBefore.getTime())
      );
    },
  ),
  lint('extensions-distinct', 'RFC 5280 §4.2', 'No extension is repeated.', ({ extensions }) => {
    return repeated(extensions.map(({ oid }) => oid)) ?? false;
  }),
  lint(
    'no-encoded-defaults',
    'X.690 §11.5',
    'Values that are the default (critical FALSE, cA FALSE) are left out.',
    ({ extensions, values }) => {
      return extensions.some(({ writesDefault }) => writesDefault) || values.basicConstraints?.writesDefault === true;
    },
  ),
  lint(
    'extension-syntax',
    'RFC 5280 §4.2, X.690 §10',
    'The value of each extension is of its type, and in DER.',
    ({ malformed: [first] }) => (first ? `${first.oid}: ${first.reason}` : false),
    { excuse: 'ca-renewal' },
  ),
  lint(
    'private-extension-der',
    'RFC 5280 §4.2',
    'The value of an extension that is not known here is one element of DER.',
    ({ extensions }) =>
      extensions.find((one) => !isKnownExtension(one.oid) && !isOneElement(one.valueDer))?.oid ?? false,
    { severity: 'warning' },
  ),
];

function isOneElement(valueDer: Buffer): boolean {
  try {
    return readTlv(valueDer, 0).after === valueDer.length;
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
}
