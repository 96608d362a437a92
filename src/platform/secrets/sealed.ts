import { inspect } from 'node:util';
import type { ValueTransformer } from 'typeorm';

const version = 1;
const nonceBytes = 12;
const tagBytes = 16;

/** What the envelope is made of. `keyId` names the key of the ring that sealed it. */
export interface SealedParts {
  keyId: string;
  nonce: Buffer;
  tag: Buffer;
  ciphertext: Buffer;
}

/**
 * A secret under AES-256-GCM, as stored: version (1 byte), length of the key id (1 byte), key id (ASCII), nonce (12
 * bytes), tag (16 bytes), ciphertext. It has no text form: JSON, templates and concatenation throw, `inspect` shows
 * `[sealed]`.
 */
export class Sealed {
  readonly #bytes: Buffer;
  readonly #keyId: string;

  private constructor(bytes: Buffer, keyId: string) {
    this.#bytes = bytes;
    this.#keyId = keyId;
  }

  static fromParts({ keyId, nonce, tag, ciphertext }: SealedParts): Sealed {
    const id = Buffer.from(keyId, 'latin1');
    return Sealed.fromBytes(Buffer.concat([Buffer.from([version, id.length]), id, nonce, tag, ciphertext]));
  }

  /** Throws when the bytes are not an envelope; whether they open is seen only when they are opened. */
  static fromBytes(bytes: Uint8Array): Sealed {
    const copy = Buffer.from(bytes);
    const idLength = copy[1] ?? 0;
    const known = copy[0] === version && idLength > 0 && copy.length >= 2 + idLength + nonceBytes + tagBytes;
    if (!known) throw new Error('These bytes are not a sealed value.');
    return new Sealed(copy, copy.toString('latin1', 2, 2 + idLength));
  }

  get keyId(): string {
    return this.#keyId;
  }

  /** A copy of the envelope. */
  get bytes(): Buffer {
    return Buffer.from(this.#bytes);
  }

  get parts(): SealedParts {
    const nonceAt = 2 + this.#keyId.length;
    const tagAt = nonceAt + nonceBytes;
    const textAt = tagAt + tagBytes;
    return {
      keyId: this.#keyId,
      nonce: this.#bytes.subarray(nonceAt, tagAt),
      tag: this.#bytes.subarray(tagAt, textAt),
      ciphertext: this.#bytes.subarray(textAt),
    };
  }

  toJSON(): never {
    throw new TypeError('A sealed value has no JSON form.');
  }

  toString(): never {
    throw new TypeError('A sealed value has no text form.');
  }

  [Symbol.toPrimitive](): never {
    throw new TypeError('A sealed value has no text form.');
  }

  [inspect.custom](): string {
    return '[sealed]';
  }
}

/**
 * Transformer of a `bytea` column that holds a Sealed or null. `boundTo`: the `table.column` that its values are bound
 * to, when that is not this column.
 */
export class SealedColumn implements ValueTransformer {
  constructor(readonly boundTo?: string) {}

  to(value: unknown): unknown {
    return value instanceof Sealed ? value.bytes : value;
  }

  from(value: unknown): unknown {
    return value instanceof Uint8Array ? Sealed.fromBytes(value) : (value ?? null);
  }
}

export const sealedColumn = new SealedColumn();
