import type { KeyObject } from 'node:crypto';
import type { Signer } from '../../plugin-api/signer.js';
import type { Tx } from '../db/database.js';

/** Names a private key of a store: the id of its row in `signing_key`. */
export type KeyRef = number;

/** Where a key is kept: sealed in the database, or in the PKCS#11 token of the settings. */
export const keyStoreNames = ['sealed', 'pkcs11'] as const;
export type KeyStoreName = (typeof keyStoreNames)[number];

/** What key to make. */
export interface KeyRequest {
  /** As in pki/key.ts, e.g. `ECCPRIME256V1`. */
  keyType: string;
  /** Who waits for it; 0 for the program itself. */
  userId: number;
  /** Default: `sealed`. */
  store?: KeyStoreName;
}

/**
 * Keeps the private keys of CAs. No method returns a key: what leaves the store is a Signer. A store may be a device
 * that makes the key and signs inside, so every call is asynchronous, and `create` and `forget` are not undone by a
 * rollback there.
 */
export abstract class KeyStore {
  /**
   * Makes a key inside the store. The key is kept before this returns: a caller that fails afterwards calls `forget`.
   * Throws PkiError `unsupported-key`; Problem `unavailable` when too many callers wait for RSA keys, and
   * `invalid-request` when there is no such store; PluginError when a token does not make it.
   */
  abstract create(request: KeyRequest): Promise<{ ref: KeyRef; signer: Signer }>;

  /** Takes over a key that was made elsewhere, sealed. Writes through `tx`. */
  abstract adopt(tx: Tx, privateKey: KeyObject): Promise<KeyRef>;

  /**
   * Throws when the key is gone or cannot be opened; the text is for the log. The `sign` of a key in a token throws
   * PluginError: `unavailable` while the token does not answer.
   */
  abstract signerFor(ref: KeyRef): Promise<Signer>;

  /** Destroys a key that nothing refers to. Throws when an authority still has it. */
  abstract forget(ref: KeyRef): Promise<void>;

  /** Where these keys are kept. */
  abstract storesOf(refs: readonly KeyRef[]): Promise<Map<KeyRef, KeyStoreName>>;
}
