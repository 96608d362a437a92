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

/** What a server showed in one handshake. `chainPem` is as it was sent, leaf first. Null where it cannot be told. */
export interface Handshake {
  chainPem: string[];
  protocol: string | null;
  cipher: string | null;
}

/** The kinds of keys that a server can have a certificate for at the same time. */
export type KeyKind = 'RSA' | 'ECDSA';

/** There is a server, but nothing is known of its certificate. */
export class HandshakeFailure extends PluginError {}

/** What a handshake may settle on. Without `only`, a server chooses among its certificates. */
export interface Offer {
  min: SecureVersion;
  max: SecureVersion;
  only?: KeyKind;
}

const longestChain = 10;

/** Everything that a server can be seen with: broken, without encryption, but never without a certificate. */
const allCiphers = 'ALL:COMPLEMENTOFALL:!aNULL:!PSK:!SRP:@SECLEVEL=0';
/**
 * A server shows its certificate on a curve only to clients that name the curve; the usual ones come first. Builds of
 * OpenSSL differ in what they know.
 */
const curves = [
  ...['X25519', 'P-256', 'X448', 'P-384', 'P-521', 'brainpoolP256r1', 'brainpoolP384r1', 'brainpoolP512r1'],
  ...['secp256k1', 'secp224k1', 'secp224r1', 'secp192k1', 'prime192v1'],
]
  .filter(isKnown)
  .join(':');

/** TLS 1.3 chooses the certificate by signature algorithm, older versions by cipher suite too. */
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

/** As a person would write it: `www.example.com:443`, `[2001:db8::1]:443`. */
export function textOf({ host, port }: Target): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * One TLS handshake in which everything is accepted that can be looked at: expired and foreign certificates, weak
 * ciphers and keys, servers that know no secure renegotiation (RFC 5746). A handshake that fails after the server has
 * shown its certificate counts: it demands one of its client, which we do not have. Nothing is sent over it. Throws
 * HandshakeFailure, and PluginError where nothing answers.
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
    const words = signal.aborted ? 'did not end a TLS handshake in time' : `made no TLS handshake (${codeOf(error)})`;
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
      // What comes after the end, when we hang up, is nobody's business.
      .on('error', (error: Error) => (isOver ? undefined : end(error)))
      .once('close', () => end(new Error('closed'), nothing))
      .once('secureConnect', () => end(null));
    if (signal.aborted) stop();
  });
}

const nothing: Handshake = { chainPem: [], protocol: null, cipher: null };

/** OpenSSL crashes when it is asked for the cipher of a connection that is closed: such a one has no certificate. */
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
