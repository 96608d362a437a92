import { createPrivateKey, generatePrimeSync, type KeyObject } from 'node:crypto';
import * as der from '../../src/pki/der/writer.js';

const exponent = 65_537n;

/** The SubjectPublicKeyInfo of an RSA key with this modulus. */
export function rsaSpki(modulus: bigint): Buffer {
  return der.sequence(
    der.sequence(der.oid('1.2.840.113549.1.1.1'), der.nullValue()),
    der.bitString(der.sequence(der.integer(modulus), der.integer(exponent))),
  );
}

/** A private key of these two primes. */
export function rsaKeyOf(p: bigint, q: bigint): KeyObject {
  const d = inverse(exponent, (p - 1n) * (q - 1n));
  const values = { n: p * q, e: exponent, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) };
  const parts = Object.entries(values).map(([name, value]) => [name, base64url(value)]);
  return createPrivateKey({ key: { kty: 'RSA', ...Object.fromEntries(parts) }, format: 'jwk' });
}

/** A key that signs like any other, and whose modulus has the factor 65521. */
export function smallFactorKey(): KeyObject {
  return rsaKeyOf(generatePrimeSync(2040, { bigint: true }), 65_521n);
}

function base64url(value: bigint): string {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 1 ? `0${hex}` : hex, 'hex').toString('base64url');
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n];
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return ((x % modulus) + modulus) % modulus;
}
