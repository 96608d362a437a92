/** Parses `ParsedCertificate.serialHex`, e.g. -5n for `-5`. Throws SyntaxError for any other text. */
export function serialNumber(serialHex: string): bigint {
  return serialHex.startsWith('-') ? -BigInt(`0x${serialHex.slice(1)}`) : BigInt(`0x${serialHex}`);
}

/** Formats a serial number as `ParsedCertificate.serialHex`. */
export function serialHexOf(serial: bigint): string {
  return serial.toString(16).toUpperCase();
}

/** Decimal, e.g. `-5`. Text that is not a serial number is returned unchanged. */
export function serialDecimal(serialHex: string): string {
  return /^-?[0-9a-f]+$/i.test(serialHex) ? serialNumber(serialHex).toString() : serialHex;
}
