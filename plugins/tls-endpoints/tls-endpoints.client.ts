import { constants, type X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import {
  type CipherNameAndProtocol,
  connect,
  createSecureContext,
  type SecureContext,
  type SecureVersion,
  type TLSSocket,
} from 'node:tls';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { Pace } from './pace.js';
import { startTls } from './start-tls.js';
import { type Target, textOf } from './targets.js';

/** What every connection of one scan shares. Each connection waits for its turn, and then has `timeoutMs`. */
export interface Scan {
  ctx: PluginContext;
  pace: Pace;
  timeoutMs: number;
}

/** The facts of one handshake. `chainPem` is as sent, leaf first. Null when unknown. */
export interface Handshake {
  chainPem: string[];
  keyKind: KeyKind;
  protocol: string | null;
  cipher: string | null;
}

/** The key types that a server can have a certificate for at the same time; ECDSA stands for all but RSA. */
export type KeyKind = 'RSA' | 'ECDSA';

/** The server accepted the connection, but its certificate is unknown. `isFinal`: another offer would fail, too. */
export class HandshakeFailure extends PluginError {
  constructor(
    target: Target,
    words: string,
    readonly isFinal: boolean,
    cause: unknown,
  ) {
    super('unavailable', `${textOf(target)} ${words}.`, undefined, { cause });
  }
}

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

/**
 * Makes one TLS handshake and accepts everything that can be inspected: expired and untrusted certificates, weak
 * ciphers and keys, servers without secure renegotiation (RFC 5746). A handshake that fails after the server's
 * certificate counts: the server demands a client certificate. Sends no application data beside the request to begin
 * TLS. Throws HandshakeFailure, or PluginError when nothing answers.
 */
export async function shakeHands(target: Target, offer: Offer, { ctx, pace, timeoutMs }: Scan): Promise<Handshake> {
  await pace.turn(ctx.signal);
  const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(timeoutMs)]);
  const socket = await ctx.site.connect(target.host, target.port, signal);
  try {
    await begun(target, socket, signal);
    return await presented(target, offer, socket, signal);
  } finally {
    socket.destroy();
  }
}

async function begun(target: Target, socket: Socket, signal: AbortSignal): Promise<void> {
  const { protocol, serverName, host } = target;
  if (protocol === 'tls') return;
  try {
    await startTls(protocol, socket, serverName ?? host, signal);
  } catch (error) {
    const words = signal.aborted ? 'did not answer in time' : `does not begin TLS in ${protocol} (${codeOf(error)})`;
    throw new HandshakeFailure(target, words, true, error);
  }
}

async function presented(target: Target, offer: Offer, socket: Socket, signal: AbortSignal): Promise<Handshake> {
  const servername = target.serverName ?? target.host;
  const secure = connect({
    socket,
    secureContext: contextOf(offer),
    rejectUnauthorized: false,
    minDHSize: 1,
    ...(isIP(servername) === 0 && { servername }),
  });
  try {
    return await shown(secure, signal);
  } catch (error) {
    const words = signal.aborted
      ? 'did not complete a TLS handshake in time'
      : `failed the TLS handshake (${codeOf(error)})`;
    throw new HandshakeFailure(target, words, signal.aborted, error);
  } finally {
    secure.destroy();
  }
}

const contexts = new Map<string, SecureContext>();

/** A context costs more than a handshake, and depends on the offer alone. */
function contextOf({ min, max, only }: Offer): SecureContext {
  const key = `${min} ${max} ${only ?? ''}`;
  const context =
    contexts.get(key) ??
    createSecureContext({
      minVersion: min,
      maxVersion: max,
      ciphers: allCiphers,
      ...(only && kinds[only]),
      ecdhCurve: curves,
      secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT,
    });
  contexts.set(key, context);
  return context;
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

const nothing: Handshake = { chainPem: [], keyKind: 'ECDSA', protocol: null, cipher: null };

/** OpenSSL crashes when asked for the cipher of a closed connection, which has no certificate. */
function seenOf(secure: TLSSocket): Handshake {
  const leaf = secure.getPeerX509Certificate();
  if (!leaf) return nothing;
  const cipher = (secure.getCipher() as Partial<CipherNameAndProtocol> | undefined)?.name;
  return {
    chainPem: chainFrom(leaf),
    keyKind: isRsa(leaf) ? 'RSA' : 'ECDSA',
    protocol: secure.getProtocol(),
    cipher: cipher ?? null,
  };
}

function chainFrom(leaf: X509Certificate): string[] {
  const chain: string[] = [];
  let certificate: X509Certificate | undefined = leaf;
  for (; certificate && chain.length < longestChain; certificate = certificate.issuerCertificate)
    chain.push(certificate.toString());
  return chain;
}

/** A key that OpenSSL cannot read is none of RSA. */
function isRsa(leaf: X509Certificate): boolean {
  try {
    return leaf.publicKey.asymmetricKeyType?.startsWith('rsa') ?? false;
  } catch {
    return false;
  }
}

function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
