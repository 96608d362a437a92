import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const form = /^prn_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;

/** A new secret: `prn_`, 256 random bits and their CRC-32, both in base 62, so that secret scanners recognize it. */
export function newApiKeySecret(): string {
  const body = base62(BigInt(`0x${randomBytes(32).toString('hex')}`), 43);
  return `prn_${body}${checksum(body)}`;
}

/** True for text in the format of `newApiKeySecret`, with a valid checksum. */
export function isApiKeySecret(text: string): boolean {
  const [, body, sum] = form.exec(text) ?? [];
  return body !== undefined && checksum(body) === sum;
}

/** The stored hash of a secret: SHA-256, because 256 random bits need no slow hash. */
export function apiKeyHash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function checksum(body: string): string {
  return base62(BigInt(crc32(body)), 6);
}

function base62(value: bigint, digits: number): string {
  let text = '';
  for (let rest = value; text.length < digits; rest /= 62n) text = alphabet.charAt(Number(rest % 62n)) + text;
  return text;
}
