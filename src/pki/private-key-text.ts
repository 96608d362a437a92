/** Armour of private keys, also when truncated: PEM of every kind, OpenSSH, PGP, PuTTY. */
const ARMOUR = /PRIVATE KEY-----|-{4,}\s*BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File-\d/i;
/** A private key as JSON (RFC 7517). */
const JWK_TYPE = /"kty"\s*:/;
const JWK_PRIVATE = /"(?:d|k)"\s*:\s*"[\w-]{16,}"/;
/** Where the base64 of a SEQUENCE may start. */
const SEQUENCE = /(?<![A-Za-z0-9+/_-])M[A-Z][A-Za-z0-9+/_-]{2}/g;
/** More than enough to recognise a structure. */
const HEAD_CHARACTERS = 128;

/**
 * Whether the text contains a private key, encrypted or not: in an armour, as JWK, or as bare base64 of PKCS#8, PKCS#1,
 * SEC1 or PKCS#12.
 */
export function holdsPrivateKey(text: string): boolean {
  if (ARMOUR.test(text) || (JWK_TYPE.test(text) && JWK_PRIVATE.test(text))) return true;
  // Lines may be folded by the two characters \\n, as in JSON.
  const unescaped = text.includes('\\') ? text.replace(/\\[rn]/g, '\n') : text;
  for (const { index } of unescaped.matchAll(SEQUENCE)) {
    const head = unescaped.slice(index, index + HEAD_CHARACTERS).replace(/\s/g, '');
    if (beginsPrivateKey(Buffer.from(head.replace(/[^A-Za-z0-9+/_-].*$/, ''), 'base64'))) return true;
  }
  return false;
}

function beginsPrivateKey(head: Buffer): boolean {
  const content = contentOf(head, 0);
  const isAt = (hex: string, at = content): boolean => head.subarray(at, at + hex.length / 2).toString('hex') === hex;
  // PKCS#8 (version 0 or 1, then an algorithm), PKCS#1 (version 0, then the modulus), SEC1 (version 1, then octets),
  // PKCS#12.
  const version = ['020100', '020101', '020103'].findIndex((hex) => isAt(hex));
  const next = head[content + 3];
  if (version >= 0 && next === 0x30) return head[contentOf(head, content + 3)] === 0x06;
  if (version === 0) return next === 0x02 && (head[content + 4] ?? 0) >= 0x21;
  if (version === 1) return next === 0x04 && (head[content + 4] ?? 0) >= 0x10;
  // EncryptedPrivateKeyInfo: an algorithm of PKCS#5 or PKCS#12 (RFC 8018, RFC 7292).
  const algorithm = contentOf(head, content);
  return (
    head[content] === 0x30 && (isAt('06092a864886f70d0105', algorithm) || isAt('060a2a864886f70d010c01', algorithm))
  );
}

/** The offset of the content of the element at `at`. */
function contentOf(head: Buffer, at: number): number {
  const length = head[at + 1] ?? 0;
  return at + 2 + (length > 0x80 ? length & 0x7f : 0);
}
