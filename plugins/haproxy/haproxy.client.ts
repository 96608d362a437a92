import { isIP, type Socket } from 'node:net';
import { addAbortSignal, type Duplex } from 'node:stream';
import { connect, createSecureContext, type SecureContextOptions } from 'node:tls';
import { PluginError } from '../../src/plugin-api/errors.js';
import { quotable } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { addressOf, type HaproxyOptions } from './haproxy.options.js';

const mostBytes = 4 * 1024 * 1024;
/** In the interactive mode each answer begins with a prompt, and each line of a payload is answered with one. */
const prompts = /^(?:> |\+ )+/gm;
/** HAProxy refuses each command about certificates, also to show one, while it does another one. */
const locked = /operations on certificates are currently locked/i;

/** The runtime API of one HAProxy (its management guide, section 9.3). Every method throws PluginError. */
export class HaproxyRuntime {
  constructor(
    private readonly options: HaproxyOptions,
    private readonly ctx: PluginContext,
  ) {}

  /**
   * The answers to these commands, in order, as one text without prompts. All go over one connection, so that as little
   * as possible happens between them. A command ends without a line break; a payload has no empty line.
   */
  async ask(...commands: readonly string[]): Promise<string> {
    const { options, ctx } = this;
    const timeout = AbortSignal.timeout(options.timeoutS * 1000);
    const signal = AbortSignal.any([ctx.signal, timeout]);
    const tls = tlsOf(options);
    const socket = await ctx.site.connect(options.host, options.port, signal);
    try {
      const text = ['prompt', ...commands, 'quit', ''].join('\n');
      const answer = await conversation(tls === null ? socket : secured(socket, options.host, tls), text, signal);
      if (locked.test(answer))
        throw new PluginError('unavailable', `HAProxy at ${addressOf(options)} works on another certificate now.`);
      return answer.replace(prompts, '').trim();
    } catch (error) {
      ctx.signal.throwIfAborted();
      if (error instanceof PluginError) throw error;
      const words = timeout.aborted ? 'did not answer in time' : quotable(String((error as Error).message), []);
      throw new PluginError('unavailable', `HAProxy at ${addressOf(options)}: ${words}.`);
    } finally {
      socket.destroy();
    }
  }
}

/** What TLS needs; null: without TLS. Throws PluginError `misconfigured` for what cannot be used, also not together. */
export function tlsOf({
  tls,
  caCertificates: ca,
  clientCertificate: cert,
  clientKey: key,
}: HaproxyOptions): SecureContextOptions | null {
  if ((cert === undefined) !== (key === undefined))
    throw new PluginError('misconfigured', 'Give both the client certificate and the client key, or neither.');
  if (!tls && (ca ?? cert) !== undefined)
    throw new PluginError('misconfigured', 'CA certificates and a client certificate are for TLS, which is off.');
  if (!tls) return null;
  const options = { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert, key }) };
  try {
    createSecureContext(options);
    return options;
  } catch {
    throw new PluginError('misconfigured', 'The CA certificates, the client certificate or its key cannot be used.');
  }
}

function secured(socket: Socket, host: string, tls: SecureContextOptions): Duplex {
  return connect({ ...tls, socket, host, ...(isIP(host) === 0 && { servername: host }) });
}

async function conversation(stream: Duplex, text: string, signal: AbortSignal): Promise<string> {
  addAbortSignal(signal, stream);
  stream.write(text);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > mostBytes) throw new PluginError('refused', 'The answer of HAProxy is too long.');
  }
  return Buffer.concat(chunks).toString('utf8');
}
