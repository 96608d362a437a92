import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { inspect } from 'node:util';
import { Sealed } from './sealed.js';

const cipher = 'aes-256-gcm';

/** A key of 32 bytes; without an id it is called by the first 8 hex digits of its SHA-256. */
export interface RingKey {
  id: string | null;
  key: Buffer;
}

/** Why the program cannot work with its key ring, and what to do about it. Its message is for the operator. */
export class KeyRingError extends Error {
  override name = 'KeyRingError';
}

/**
 * Seals and opens secrets: the first key seals, every key opens. What is sealed is bound to its place by `place`,
 * written `table.column.rowKey`. Row ids are not known before the insert, so a row key is a random UUID made beforehand
 * and stored in the row (`secret_id`).
 */
export class KeyRing {
  readonly #keys: ReadonlyMap<string, KeyObject>;
  /** The id of the key that seals. */
  readonly sealingKeyId: string;

  /** Throws KeyRingError on an empty ring, a key of another length or two keys with one id. */
  constructor(keys: readonly RingKey[]) {
    const ring = new Map<string, KeyObject>();
    for (const { id, key } of keys) {
      const name = id ?? createHash('sha256').update(key).digest('hex').slice(0, 8);
      if (key.length !== 32)
        throw new KeyRingError(`Key "${name}" of the key ring has ${key.length} bytes; it must have 32.`);
      if (ring.has(name)) throw new KeyRingError(`The key ring has two keys with the id "${name}".`);
      ring.set(name, createSecretKey(key));
    }
    const [first] = ring.keys();
    if (first === undefined) throw new KeyRingError('The key ring has no key.');
    this.#keys = ring;
    this.sealingKeyId = first;
  }

  get keyIds(): readonly string[] {
    return [...this.#keys.keys()];
  }

  has(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  seal(plaintext: Buffer | string, place: string): Sealed {
    const nonce = randomBytes(12);
    const gcm = createCipheriv(cipher, this.#key(this.sealingKeyId), nonce).setAAD(Buffer.from(place));
    const ciphertext = Buffer.concat([
      typeof plaintext === 'string' ? gcm.update(plaintext, 'utf8') : gcm.update(plaintext),
      gcm.final(),
    ]);
    return Sealed.fromParts({ keyId: this.sealingKeyId, nonce, tag: gcm.getAuthTag(), ciphertext });
  }

  /** Throws KeyRingError when the key is not in the ring, or when the value was changed or belongs to another place. */
  open(sealed: Sealed, place: string): Buffer {
    const { keyId, nonce, tag, ciphertext } = sealed.parts;
    const gcm = createDecipheriv(cipher, this.#key(keyId), nonce, { authTagLength: 16 })
      .setAAD(Buffer.from(place))
      .setAuthTag(tag);
    const start = gcm.update(ciphertext);
    try {
      return Buffer.concat([start, gcm.final()]);
    } catch (cause) {
      throw new KeyRingError(
        `The sealed value of ${place} does not open with key "${keyId}": another key ` +
          'has this id, or the row was changed.',
        { cause },
      );
    }
  }

  /**
   * 32 bytes for `purpose` alone, always the same for the same key (HKDF with SHA-256, RFC 5869). Throws KeyRingError
   * when the key is not in the ring.
   */
  derive(purpose: string, keyId = this.sealingKeyId): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#key(keyId), '', purpose, 32));
  }

  /** True when another key than the sealing one holds the value. */
  needsRekey(sealed: Sealed): boolean {
    return sealed.keyId !== this.sealingKeyId;
  }

  /** The same secret under the sealing key. Throws as `open` does. */
  rekey(sealed: Sealed, place: string): Sealed {
    return this.needsRekey(sealed) ? this.seal(this.open(sealed, place), place) : sealed;
  }

  toJSON(): string {
    return '[KeyRing]';
  }

  [inspect.custom](): string {
    return `[KeyRing ${this.keyIds.join(' ')}]`;
  }

  #key(id: string): KeyObject {
    const key = this.#keys.get(id);
    if (!key)
      throw new KeyRingError(`Key "${id}" is missing from the key ring, which holds ${this.keyIds.join(', ')}.`);
    return key;
  }
}
