import { createCipheriv, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { integer, nullValue, octetString, oid, sequence } from './der/writer.js';

const PBES2 = '1.2.840.113549.1.5.13';
const PBKDF2 = '1.2.840.113549.1.5.12';
const HMAC_SHA256 = '1.2.840.113549.2.9';
const AES_256_CBC = '2.16.840.1.101.3.4.1.42';

const deriveKey = promisify(pbkdf2);

/** The output of a password-based scheme; `algorithm` is its AlgorithmIdentifier, DER. */
export interface PasswordEncrypted {
  algorithm: Buffer;
  ciphertext: Buffer;
}

/** PBES2 with PBKDF2-HMAC-SHA256 and AES-256-CBC (RFC 8018 §6.2). The derivation runs off the event loop. */
export async function pbes2Encrypt(plain: Buffer, password: string, iterations: number): Promise<PasswordEncrypted> {
  const salt = randomBytes(16);
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-cbc', await deriveKey(password, salt, iterations, 32, 'sha256'), iv);
  const derivation = sequence(
    oid(PBKDF2),
    sequence(octetString(salt), integer(iterations), sequence(oid(HMAC_SHA256), nullValue())),
  );
  return {
    algorithm: sequence(oid(PBES2), sequence(derivation, sequence(oid(AES_256_CBC), octetString(iv)))),
    ciphertext: Buffer.concat([cipher.update(plain), cipher.final()]),
  };
}

/** EncryptedPrivateKeyInfo of RFC 5958 §3, DER. */
export function encryptedPrivateKeyInfo({ algorithm, ciphertext }: PasswordEncrypted): Buffer {
  return sequence(algorithm, octetString(ciphertext));
}
