import { hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { utf16be } from './keystore.js';

/** The use of the derived octets (RFC 7292 appendix B.3). */
export const PURPOSE = { key: 1, iv: 2, mac: 3 } as const;

/** The inputs that key, IV and MAC key of one scheme share. */
export interface Pkcs12Secret {
  digest: 'sha1' | 'sha256';
  password: string;
  salt: Buffer;
  iterations: number;
}

const BLOCK = 64;
const ROUNDS_PER_TURN = 1_000;

/**
 * Key derivation of RFC 7292 appendix B.2; `length` is in octets. Node has no native implementation, so the rounds run
 * in JavaScript and yield to the event loop about once per millisecond.
 */
export async function pkcs12Kdf(purpose: number, secret: Pkcs12Secret, length: number): Promise<Buffer> {
  const diversifier = Buffer.alloc(BLOCK, purpose);
  const state = Buffer.concat([filled(secret.salt), filled(utf16be(`${secret.password}\0`))]);
  const derived: Buffer[] = [];
  for (let octets = 0; octets < length;) {
    const block = await hashRepeatedly(Buffer.concat([diversifier, state]), secret);
    derived.push(block);
    octets += block.length;
    const increment = Buffer.alloc(BLOCK, block);
    for (let at = 0; at < state.length; at += BLOCK) addPlusOne(state.subarray(at, at + BLOCK), increment);
  }
  return Buffer.concat(derived, length);
}

async function hashRepeatedly(input: Buffer, { digest, iterations }: Pkcs12Secret): Promise<Buffer> {
  let value: Buffer = hash(digest, input, 'buffer');
  for (let round = 1; round < iterations; round++) {
    if (round % ROUNDS_PER_TURN === 0) await setImmediate();
    value = hash(digest, value, 'buffer');
  }
  return value;
}

/** `octets` repeated up to a multiple of the block length. */
function filled(octets: Buffer): Buffer {
  return Buffer.alloc(Math.ceil(octets.length / BLOCK) * BLOCK, octets);
}

/** block := block + increment + 1, as big-endian numbers with wrap-around. */
function addPlusOne(block: Buffer, increment: Buffer): void {
  let carry = 1;
  for (let at = BLOCK - 1; at >= 0; at--) {
    carry += block.readUInt8(at) + increment.readUInt8(at);
    block[at] = carry & 0xff;
    carry >>= 8;
  }
}
