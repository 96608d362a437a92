import { randomBytes } from 'node:crypto';

/** Parses `ParsedCertificate.serialHex`, e.g. -5n for `-5`. Throws SyntaxError for any other text. */
export function serialNumber(serialHex: string): bigint {
  return serialHex.startsWith('-') ? -BigInt(`0x${serialHex.slice(1)}`) : BigInt(`0x${serialHex}`);
}

/** The number in the content of an INTEGER (DER). */
export function serialOfInteger(twosComplement: Buffer): bigint {
  return BigInt.asIntN(twosComplement.length * 8, BigInt(`0x${twosComplement.toString('hex')}`));
}

/** Formats a serial number as `ParsedCertificate.serialHex`. */
export function serialHexOf(serial: bigint): string {
  return serial.toString(16).toUpperCase();
}

/** Decimal, e.g. `-5`. Text that is not a serial number is returned unchanged. */
export function serialDecimal(serialHex: string): string {
  return /^-?[0-9a-f]+$/i.test(serialHex) ? serialNumber(serialHex).toString() : serialHex;
}

const SERIAL_OCTETS = 16;
let random = Buffer.alloc(0);

/** A new serial number: 126 random bits, always positive, and of constant length (RFC 5280 §4.1.2.2). */
export function newSerial(): Buffer {
  // One call for 256 serial numbers is ten times cheaper; each octet is used once.
  if (random.length === 0) random = randomBytes(256 * SERIAL_OCTETS);
  const serial = random.subarray(0, SERIAL_OCTETS);
  random = random.subarray(SERIAL_OCTETS);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}
