import { createHash, createHmac, createPrivateKey, generateKeyPairSync, type JsonWebKey, sign } from 'node:crypto';

/** The private key of an account: P-256, as RFC 7517 writes it. */
export interface AccountKey extends JsonWebKey {
  kty: 'EC';
  crv: 'P-256';
  x: string;
  y: string;
  d: string;
}

/** A JWS in the flattened JSON form (RFC 7515 §7.2.2), as ACME sends it. */
export interface Jws {
  protected: string;
  payload: string;
  signature: string;
}

type PublicKey = Pick<AccountKey, 'kty' | 'crv' | 'x' | 'y'>;

export function newAccountKey(): AccountKey {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }) as AccountKey;
}

/** In the order of RFC 7638 §3.2. */
export function publicKeyOf({ crv, kty, x, y }: AccountKey): PublicKey {
  return { crv, kty, x, y };
}

/** The thumbprint of RFC 7638 with SHA-256, as key authorizations carry it (RFC 8555 §8.1). */
export function thumbprintOf(key: AccountKey): string {
  return createHash('sha256')
    .update(JSON.stringify(publicKeyOf(key)))
    .digest('base64url');
}

/** Signs with ES256. `header` names the key, the URL and the nonce. An undefined payload is that of POST-as-GET. */
export function signedWith(key: AccountKey, header: object, payload: object | undefined): Jws {
  const input = inputOf({ alg: 'ES256', ...header }, payload);
  const privateKey = createPrivateKey({ key, format: 'jwk' });
  const signature = sign('sha256', Buffer.from(`${input.protected}.${input.payload}`), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
  });
  return { ...input, signature: signature.toString('base64url') };
}

/** The binding of an account key to an account of the CA's customers (RFC 8555 §7.3.4). `macKey` is the raw key. */
export function externalBinding(key: AccountKey, binding: { keyId: string; macKey: Buffer; url: string }): Jws {
  const { keyId, macKey, url } = binding;
  const input = inputOf({ alg: 'HS256', kid: keyId, url }, publicKeyOf(key));
  const signature = createHmac('sha256', macKey).update(`${input.protected}.${input.payload}`).digest('base64url');
  return { ...input, signature };
}

function inputOf(header: object, payload: object | undefined): Omit<Jws, 'signature'> {
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return { protected: encoded(header), payload: payload === undefined ? '' : encoded(payload) };
}
