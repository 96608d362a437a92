/** Signs bytes with an authority's private key, which never leaves the core. */
export interface Signer {
  /** As in node:crypto; `namedCurve` for EC, e.g. `prime256v1`. */
  readonly keyType: 'ec' | 'rsa' | 'ed25519';
  readonly namedCurve?: string;
  /** SubjectPublicKeyInfo of the key, DER. */
  readonly spkiDer: Buffer;
  /** Signature over `data` (DER-encoded for ECDSA). `hash` is a node:crypto digest name; null for Ed25519. */
  sign(hash: string | null, data: Buffer): Promise<Buffer>;
}
