import { constants, type X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type CipherNameAndProtocol, connect, createSecureContext, type SecureVersion, type TLSSocket } from 'node:tls';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';

/** A host name or IP address (no brackets) and a port. */
export interface Target {
  host: string;
  port: number;
}

/** The facts of one handshake. `chainPem` is as sent, leaf first. Null when unknown. */
export interface Handshake {
  chainPem: string[];
  protocol: string | null;
  cipher: string | null;
}

/** The key types that a server can have a certificate for at the same time. */
export type KeyKind = 'RSA' | 'ECDSA';

/** The server responded, but its certificate is unknown. */
export class HandshakeFailure extends PluginError {}

/** The client's offer in a handshake. Without `only`, the server chooses among its certificates. */
export interface Offer {
  min: SecureVersion;
  max: SecureVersion;
  only?: KeyKind;
}

const longestChain = 10;

/** All ciphers with a certificate, including broken ones and ones without encryption. */
const allCiphers = 'ALL:COMPLEMENTOFALL:!aNULL:!PSK:!SRP:@SECLEVEL=0';
/**
 * A server presents its certificate on a curve only to clients that offer the curve. Common curves come first. OpenSSL
 * builds differ in the curves that they support.
 */
const curves = [
  ...['X25519', 'P-256', 'X448', 'P-384', 'P-521', 'brainpoolP256r1', 'brainpoolP384r1', 'brainpoolP512r1'],
  ...['secp256k1', 'secp224k1', 'secp224r1', 'secp192k1', 'prime192v1'],
]
  .filter(isKnown)
  .join(':');

/** TLS 1.3 selects the certificate by signature algorithm, older versions also by cipher suite. */
const kinds: Record<KeyKind, { ciphers: string; sigalgs: string }> = {
  RSA: {
    ciphers: 'aRSA:!PSK:!SRP:@SECLEVEL=0',
    sigalgs: [
      ...['rsa_pss_rsae_sha256', 'rsa_pss_rsae_sha384', 'rsa_pss_rsae_sha512', 'rsa_pss_pss_sha256'],
      ...['rsa_pss_pss_sha384', 'rsa_pss_pss_sha512', 'RSA+SHA256', 'RSA+SHA384', 'RSA+SHA512', 'RSA+SHA1'],
    ].join(':'),
  },
  ECDSA: {
    ciphers: 'aECDSA:@SECLEVEL=0',
    sigalgs: 'ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ECDSA+SHA1:ed25519:ed448',
  },
};

/** In the usual notation: `www.example.com:443`, `[2001:db8::1]:443`. */
export function textOf({ host, port }: Target): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Makes one TLS handshake and accepts everything that can be inspected: expired and untrusted certificates, weak
 * ciphers and keys, servers without secure renegotiation (RFC 5746). A handshake that fails after the server's
 * certificate counts: the server demands a client certificate. Sends no application data. Throws HandshakeFailure, or
 * PluginError when nothing answers.
 */
export async function shakeHands(
  target: Target,
  { min, max, only }: Offer,
  ctx: PluginContext,
  signal: AbortSignal,
): Promise<Handshake> {
  const socket = await ctx.site.connect(target.host, target.port, signal);
  const secure = connect({
    socket,
    minVersion: min,
    maxVersion: max,
    rejectUnauthorized: false,
    ciphers: allCiphers,
    ...(only && kinds[only]),
    ecdhCurve: curves,
    minDHSize: 1,
    secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT,
    ...(isIP(target.host) === 0 && { servername: target.host }),
  });
  try {
    return await shown(secure, signal);
  } catch (error) {
    const words = signal.aborted
      ? 'did not complete a TLS handshake in time'
      : `failed the TLS handshake (${codeOf(error)})`;
    throw new HandshakeFailure('unavailable', `${textOf(target)} ${words}.`, undefined, { cause: error });
  } finally {
    secure.destroy();
  }
}

function isKnown(curve: string): boolean {
  try {
    createSecureContext({ ecdhCurve: curve });
    return true;
  } catch {
    return false;
  }
}

function shown(secure: TLSSocket, signal: AbortSignal): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const end = (error: Error | null, seen = seenOf(secure)): void => {
      if (isOver) return;
      isOver = true;
      signal.removeEventListener('abort', stop);
      if (error === null || seen.chainPem.length > 0) resolve(seen);
      else reject(error);
    };
    const stop = (): void => end(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    secure
      // Ignore errors after the end: we close the connection.
      .on('error', (error: Error) => (isOver ? undefined : end(error)))
      .once('close', () => end(new Error('closed'), nothing))
      .once('secureConnect', () => end(null));
    if (signal.aborted) stop();
  });
}

const nothing: Handshake = { chainPem: [], protocol: null, cipher: null };

/** OpenSSL crashes when asked for the cipher of a closed connection, which has no certificate. */
function seenOf(secure: TLSSocket): Handshake {
  const chainPem = chainOf(secure);
  if (chainPem.length === 0) return nothing;
  const cipher = (secure.getCipher() as Partial<CipherNameAndProtocol> | undefined)?.name;
  return { chainPem, protocol: secure.getProtocol(), cipher: cipher ?? null };
}

function chainOf(secure: TLSSocket): string[] {
  const chain: string[] = [];
  let certificate: X509Certificate | undefined = secure.getPeerX509Certificate();
  for (; certificate && chain.length < longestChain; certificate = certificate.issuerCertificate)
    chain.push(certificate.toString());
  return chain;
}

function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
