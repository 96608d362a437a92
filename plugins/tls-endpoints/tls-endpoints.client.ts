import { constants, type X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { isIP, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
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
import { limitedTo } from '../../src/plugin-api/time-limit.js';
import type { Pace } from './pace.js';
import { startTls } from './start-tls.js';
import { type Target, textOf } from './targets.js';
import { Wire } from './wire.js';

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
export function shakeHands(target: Target, offer: Offer, scan: Scan): Promise<Handshake> {
  return connected(target, scan, (socket, signal) => presented(target, offer, socket, signal));
}

/**
 * Whether the server accepts this offer: it answers the ClientHello with a ServerHello. Ends the connection then, so
 * that a refusal costs nobody a key exchange. With `only`, a server may accept the offer and yet present another
 * certificate. Throws as `shakeHands` when nothing answers.
 */
export function isAccepted(target: Target, offer: Offer, scan: Scan): Promise<boolean> {
  return connected(target, scan, async (socket, signal) => {
    socket.on('error', () => undefined);
    try {
      socket.write(await helloOf(target, offer));
      return await answersHello(new Wire(socket, signal));
    } catch {
      return false;
    }
  });
}

async function connected<T>(
  target: Target,
  { ctx, pace, timeoutMs }: Scan,
  work: (socket: Socket, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  await pace.turn(ctx.signal);
  const signal = limitedTo(timeoutMs, ctx.signal);
  const socket = await ctx.site.connect(target.host, target.port, signal);
  try {
    await begun(target, socket, signal);
    return await work(socket, signal);
  } finally {
    socket.destroy();
  }
}

/** Types of TLS records and messages, and the level of an alert that ends nothing (RFC 8446 §4, §5.1, §6). */
const [alert, handshake, serverHello, warning] = [21, 22, 2, 1];

/** Reads up to the first message that tells: a warning, such as of an unknown name, may come before it. */
async function answersHello(wire: Wire): Promise<boolean> {
  for (;;) {
    const header = await wire.take(5);
    if (header[0] === handshake) return (await wire.take(1))[0] === serverHello;
    if (header[0] !== alert || (await wire.take(header.readUInt16BE(3)))[0] !== warning) return false;
  }
}

/** The hellos to servers without a name: the same for all. */
const namelessHellos = new Map<string, Promise<Buffer>>();

/** The ClientHello that OpenSSL writes for this offer. Its connection is never completed, so it may be sent again. */
function helloOf(target: Target, offer: Offer): Promise<Buffer> {
  const servername = nameOf(target);
  if (servername !== undefined) return writtenHello(offer, servername);
  const key = keyOf(offer);
  const hello = namelessHellos.get(key) ?? writtenHello(offer);
  namelessHellos.set(key, hello);
  return hello;
}

async function writtenHello(offer: Offer, servername?: string): Promise<Buffer> {
  const socket = new Duplex({
    read: () => undefined,
    write: (hello: Buffer, _encoding, done) => {
      socket.emit('hello', hello);
      done();
    },
  });
  const written = once(socket, 'hello') as Promise<[Buffer]>;
  const secure = connect({ socket, secureContext: contextOf(offer), ...(servername !== undefined && { servername }) });
  // OpenSSL may not be able to make this offer.
  secure.on('error', (error: Error) => socket.destroy(error));
  try {
    return (await written)[0];
  } finally {
    secure.destroy();
  }
}

/** The name to ask for (SNI); undefined for an address. */
function nameOf({ serverName, host }: Target): string | undefined {
  const name = serverName ?? host;
  return isIP(name) === 0 ? name : undefined;
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
  const servername = nameOf(target);
  const secure = connect({
    socket,
    secureContext: contextOf(offer),
    rejectUnauthorized: false,
    minDHSize: 1,
    ...(servername !== undefined && { servername }),
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
function contextOf(offer: Offer): SecureContext {
  const { min, max, only } = offer;
  const key = keyOf(offer);
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

function keyOf({ min, max, only }: Offer): string {
  return `${min} ${max} ${only ?? ''}`;
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
