import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';

/** A host name or IP address (no brackets) and a port. */
export interface Target {
  host: string;
  port: number;
}

/** What a server showed in one handshake. `chainPem` is as it was sent, leaf first. */
export interface Handshake {
  chainPem: string[];
  protocol: string;
  cipher: string;
}

/** The versions that a handshake may settle on. */
export interface Versions {
  min: SecureVersion;
  max: SecureVersion;
}

const longestChain = 10;

/** As a person would write it: `www.example.com:443`, `[2001:db8::1]:443`. */
export function textOf({ host, port }: Target): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * One TLS handshake in which everything is accepted that can be looked at: expired and foreign certificates, weak
 * ciphers. Nothing is sent over it. Throws PluginError `unavailable`.
 */
export async function shakeHands(
  target: Target,
  { min, max }: Versions,
  ctx: PluginContext,
  signal: AbortSignal,
): Promise<Handshake> {
  const socket = await ctx.site.connect(target.host, target.port, signal);
  const secure = connect({
    socket,
    minVersion: min,
    maxVersion: max,
    rejectUnauthorized: false,
    ciphers: 'DEFAULT:@SECLEVEL=0',
    ...(isIP(target.host) === 0 && { servername: target.host }),
  });
  try {
    await established(secure, signal);
    return { chainPem: chainOf(secure), protocol: secure.getProtocol() ?? '', cipher: secure.getCipher().name };
  } catch (error) {
    const words = signal.aborted ? 'did not end a TLS handshake in time' : `made no TLS handshake (${codeOf(error)})`;
    throw new PluginError('unavailable', `${textOf(target)} ${words}.`, undefined, { cause: error });
  } finally {
    secure.destroy();
  }
}

function established(secure: TLSSocket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    // An error after the handshake, when we hang up, is nobody's business.
    secure
      .on('error', reject)
      .once('close', () => reject(new Error('closed')))
      .once('secureConnect', resolve);
    if (signal.aborted) stop();
  });
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
