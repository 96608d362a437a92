import { createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';

/** The reason why a token does not open. Reveals nothing of its content. */
export class FernetError extends Error {
  override name = 'FernetError';
}

interface Halves {
  signing: Buffer;
  encryption: Buffer;
}

const version = 0x80;
/** Version, time and IV before the ciphertext, the HMAC after it. */
const headBytes = 1 + 8 + 16;
const macBytes = 32;

/**
 * Opens Fernet tokens (AES-128-CBC with HMAC-SHA256, github.com/fernet/spec), Lemur's format for secrets. Tries every
 * key; each is 32 bytes in base64url. Ignores the time in a token.
 */
export class Fernet {
  readonly #keys: readonly Halves[];

  /** Throws an Error for the operator that names an invalid key by position, never by content. */
  constructor(keys: readonly string[]) {
    this.#keys = keys.map((text, i) => {
      const key = decode(text);
      if (key?.length !== 32) throw new Error(`Fernet key ${i + 1} is not 32 bytes in base64.`);
      return { signing: key.subarray(0, 16), encryption: key.subarray(16) };
    });
  }

  /** Throws FernetError. */
  open(token: Buffer | string): Buffer {
    const bytes = decode(token.toString());
    if (!bytes || bytes[0] !== version || bytes.length < headBytes + 16 + macBytes)
      throw new FernetError('It is not a Fernet token.');
    const signed = bytes.subarray(0, -macBytes);
    const mac = bytes.subarray(-macBytes);
    const key = this.#keys.find(({ signing }) =>
      timingSafeEqual(createHmac('sha256', signing).update(signed).digest(), mac),
    );
    if (!key) throw new FernetError('None of the Fernet keys opens it.');
    return decrypt(key.encryption, signed);
  }
}

function decrypt(key: Buffer, signed: Buffer): Buffer {
  const cipher = createDecipheriv('aes-128-cbc', key, signed.subarray(9, headBytes));
  try {
    return Buffer.concat([cipher.update(signed.subarray(headBytes)), cipher.final()]);
  } catch {
    throw new FernetError('It is not a Fernet token.');
  }
}

/** Decodes padded base64 (RFC 4648 §5), ignoring surrounding white space; null for other text. */
function decode(text: string): Buffer | null {
  const trimmed = text.trim();
  return /^[\w-]+={0,2}$/.test(trimmed) && trimmed.length % 4 === 0 ? Buffer.from(trimmed, 'base64url') : null;
}
