import { createHmac, randomInt, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { limitedTo } from '../../src/plugin-api/time-limit.js';
import {
  type Answer,
  decodeAnswer,
  encodeName,
  encodeUpdate,
  type Tsig,
  tsigVariables,
  type TxtChange,
  withTsig,
} from './dns-message.js';

/** The digests of RFC 8945 §6 that are still recommended. */
export const tsigAlgorithms = ['hmac-sha256', 'hmac-sha384', 'hmac-sha512'] as const;

/** A name server that takes updates, and the key that it knows. `keySecret` is base64. */
export interface UpdateServer {
  server: string;
  port: number;
  keyName: string;
  keyAlgorithm: (typeof tsigAlgorithms)[number];
  keySecret: string;
}

const timeoutMs = 10_000;
const fudgeS = 300;

/** Other than success (RFC 2136 §2.2). */
const rcodes: Readonly<Record<number, string>> = {
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
  6: 'YXDOMAIN',
  7: 'YXRRSET',
  8: 'NXRRSET',
  9: 'NOTAUTH',
  10: 'NOTZONE',
};

const signatureFaults: Readonly<Record<number, string>> = {
  16: 'does not accept the signature: the secret is another one',
  17: 'does not know the key, or knows it with another algorithm',
  18: 'has another time than this machine',
  22: 'wants a longer signature',
};

/**
 * Updates a zone over TCP, signed (RFC 2136, RFC 8945). No change at all asks whether the server takes updates of the
 * zone by this key. Throws PluginError.
 */
export async function updateZone(
  server: UpdateServer,
  zone: string,
  changes: readonly TxtChange[],
  ctx: PluginContext,
): Promise<void> {
  ctx.signal.throwIfAborted();
  const id = randomInt(0x10000);
  const message = encodeUpdate(id, wireName(zone), changes);
  const request = signed(message, id, server, ctx.now());
  const answer = readable(await exchange(server, request.bytes, ctx), server);
  if (answer.id !== id || !answer.isUpdateAnswer) throw unusable(server);
  demandSuccess(answer, request.mac, server, zone);
}

/** In wire format. Throws PluginError `refused` for what is no name. */
export function wireName(name: string): Buffer {
  const wire = encodeName(name);
  if (wire === null) throw new PluginError('refused', `"${name}" is no name that DNS can carry.`);
  return wire;
}

function signed(message: Buffer, id: number, server: UpdateServer, now: Date): { bytes: Buffer; mac: Buffer } {
  const variables: Omit<Tsig, 'mac'> = {
    keyName: wireName(server.keyName),
    algorithm: wireName(server.keyAlgorithm),
    timeSignedS: Math.floor(now.getTime() / 1000),
    fudgeS,
    originalId: id,
    error: 0,
    other: Buffer.alloc(0),
  };
  const mac = macOf(server, message, tsigVariables(variables));
  return { bytes: withTsig(message, { ...variables, mac }), mac };
}

function macOf({ keyAlgorithm, keySecret }: UpdateServer, ...parts: Buffer[]): Buffer {
  const hmac = createHmac(keyAlgorithm.replace('hmac-', ''), Buffer.from(keySecret, 'base64'));
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

function readable(bytes: Buffer, server: UpdateServer): Answer {
  try {
    return decodeAnswer(bytes);
  } catch (error) {
    if (error instanceof RangeError) throw unusable(server);
    throw error;
  }
}

/** Success counts only when it is signed; a failure may come without a signature (RFC 8945 §5.3.2). */
function demandSuccess(answer: Answer, requestMac: Buffer, server: UpdateServer, zone: string): void {
  const { rcode, tsig } = answer;
  const fault = tsig ? signatureFaults[tsig.error] : undefined;
  if (fault !== undefined) throw new PluginError('misconfigured', `${server.server} ${fault}.`);
  if (rcode === 0) {
    if (isSignedByServer(answer, requestMac, server)) return;
    throw new PluginError('unavailable', `The answer of ${server.server} is not signed by the key.`);
  }
  throw new PluginError(
    rcode === 2 ? 'unavailable' : 'misconfigured',
    `${server.server} does not update the zone ${zone}: ${rcodes[rcode] ?? `code ${rcode}`}.`,
  );
}

function isSignedByServer({ tsig, unsigned }: Answer, requestMac: Buffer, server: UpdateServer): boolean {
  if (!tsig?.keyName.equals(wireName(server.keyName)) || !tsig.algorithm.equals(wireName(server.keyAlgorithm)))
    return false;
  const length = Buffer.alloc(2);
  length.writeUInt16BE(requestMac.length);
  const mac = macOf(server, length, requestMac, unsigned, tsigVariables(tsig));
  return mac.length === tsig.mac.length && timingSafeEqual(mac, tsig.mac);
}

/** One message each way, with its length before it (RFC 1035 §4.2.2). */
async function exchange({ server, port }: UpdateServer, message: Buffer, ctx: PluginContext): Promise<Buffer> {
  const signal = limitedTo(timeoutMs, ctx.signal);
  const socket = await ctx.site.connect(server, port, signal);
  const stop = (): unknown => socket.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    socket.write(Buffer.concat([length, message]));
    return await firstMessage(socket);
  } catch (error) {
    ctx.signal.throwIfAborted();
    throw new PluginError('unavailable', `${server}:${port} broke off without an answer.`, undefined, { cause: error });
  } finally {
    signal.removeEventListener('abort', stop);
    socket.destroy();
  }
}

async function firstMessage(socket: Socket): Promise<Buffer> {
  let received = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    received = Buffer.concat([received, chunk]);
    const end = received.length < 2 ? Infinity : 2 + received.readUInt16BE(0);
    if (received.length >= end) return received.subarray(2, end);
  }
  throw new Error('The connection was closed.');
}

function unusable({ server }: UpdateServer): PluginError {
  return new PluginError('unavailable', `${server} answered something else than DNS.`);
}
