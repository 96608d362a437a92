import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { Injectable } from '@nestjs/common';
import { PluginError } from '../../plugin-api/errors.js';
import { limitedTo } from '../../plugin-api/time-limit.js';
import { GuardedAgents, hasNoRoute } from './guarded-agent.js';

/**
 * What to ask a server for: a name (SNI; null: none, as clients that connect to an IP address), and the key type, since
 * a server may have a certificate of each.
 */
export interface Probe {
  host: string;
  port: number;
  servername: string | null;
  keyType: 'rsa' | 'ec' | 'other';
}

/**
 * What one address serves: the chain as sent, leaf first, or why nobody knows. `isRouted`: false when this machine has
 * no route to the address.
 */
export type Served = { address: string } & (
  { chain: readonly X509Certificate[] } | { fault: string; isRouted: boolean }
);

const timeoutMs = 10_000;
const longestChain = 10;
const signatures = {
  rsa: { sigalgs: 'rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512' },
  ec: { sigalgs: 'ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512' },
  other: {},
} as const;

/** Asks servers over TLS which certificate they serve. Judges no certificate, and sends no application data. */
@Injectable()
export class ServedCertificates {
  constructor(private readonly agents: GuardedAgents) {}

  /**
   * What every address of the host serves. Addresses to which there is no route are left out when there are others: a
   * machine without IPv6 can say nothing about them. Throws PluginError when no address may be asked.
   */
  async at(probe: Probe, signal: AbortSignal): Promise<Served[]> {
    const limit = limitedTo(timeoutMs, signal);
    const each = await this.agents.connectEach(probe.host, probe.port, limit);
    const served = await Promise.all(
      each.map(async ({ address, connected }): Promise<Served> => {
        try {
          return { address, chain: await handshake(await connected, probe, limit) };
        } catch (error) {
          if (!(error instanceof PluginError)) throw error;
          return { address, fault: error.detail, isRouted: !hasNoRoute(error) };
        }
      }),
    );
    signal.throwIfAborted();
    const routed = served.filter((one) => 'chain' in one || one.isRouted);
    return routed.length > 0 ? routed : served;
  }
}

/** The chain that the server sends; also when it refuses the handshake afterwards for lack of a client certificate. */
async function handshake(socket: Socket, probe: Probe, signal: AbortSignal): Promise<readonly X509Certificate[]> {
  const secure = connect({
    socket,
    ...(probe.servername !== null && { servername: probe.servername }),
    rejectUnauthorized: false,
    ...signatures[probe.keyType],
  });
  try {
    return await new Promise((resolve, reject) => {
      const end = (error: unknown): void => {
        const chain = chainOf(secure);
        if (chain.length > 0) resolve(chain);
        else reject(refused(probe, signal, error));
      };
      secure.on('error', end).once('close', end).once('secureConnect', end);
      signal.addEventListener('abort', () => end(signal.reason), { once: true });
      if (signal.aborted) end(signal.reason);
    });
  } finally {
    secure.destroy();
  }
}

function refused({ host, port }: Probe, signal: AbortSignal, cause: unknown): PluginError {
  const { code = 'closed' } = (cause ?? {}) as { code?: string };
  const words = signal.aborted ? 'did not complete a TLS handshake in time' : `failed the TLS handshake (${code})`;
  return new PluginError('unavailable', `${host}:${port} ${words}.`, undefined, { cause });
}

function chainOf(secure: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let certificate = secure.destroyed ? undefined : secure.getPeerX509Certificate();
  for (; certificate && chain.length < longestChain; certificate = certificate.issuerCertificate) {
    chain.push(certificate);
    if (certificate.issuerCertificate === certificate) break;
  }
  return chain;
}
