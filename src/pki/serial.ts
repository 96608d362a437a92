/** The number that `ParsedCertificate.serialHex` writes, e.g. -5n for `-5`. Throws SyntaxError for any other text. */
export function serialNumber(serialHex: string): bigint {
  return serialHex.startsWith('-') ? -BigInt(`0x${serialHex.slice(1)}`) : BigInt(`0x${serialHex}`);
}

/** As `ParsedCertificate.serialHex` writes it. */
export function serialHexOf(serial: bigint): string {
  return serial.toString(16).toUpperCase();
}

/** Decimal, e.g. `-5`. What is no number is shown as it is. */
export function serialDecimal(serialHex: string): string {
  return /^-?[0-9a-f]+$/i.test(serialHex) ? serialNumber(serialHex).toString() : serialHex;
}
