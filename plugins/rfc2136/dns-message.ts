/*
 * DNS messages (RFC 1035 §4) as far as updates (RFC 2136) and their signatures need them.
 */

const type = { soa: 6, txt: 16, tsig: 250 } as const;
const dnsClass = { in: 1, none: 254, any: 255 } as const;
const opcodeUpdate = 5 << 11;

/** What an update does with one TXT record: `add` leaves others of the name alone, `delete` removes this value only. */
export interface TxtChange {
  action: 'add' | 'delete';
  name: string;
  value: string;
  ttlS: number;
}

/** The variables of a TSIG record (RFC 8945 §4.2). Names are wire format, canonical. */
export interface Tsig {
  keyName: Buffer;
  algorithm: Buffer;
  timeSignedS: number;
  fudgeS: number;
  mac: Buffer;
  originalId: number;
  /** 0, 16 BADSIG, 17 BADKEY, 18 BADTIME, 22 BADTRUNC. */
  error: number;
  other: Buffer;
}

export interface Answer {
  id: number;
  rcode: number;
  isUpdateAnswer: boolean;
  /** With `unsigned`, the message as it was before it was signed, with the id of the request. */
  tsig: Tsig | null;
  unsigned: Buffer;
}

/** A name in wire format, lower case, not compressed; null when it is no name that DNS can carry. */
export function encodeName(name: string): Buffer | null {
  const labels = name.toLowerCase().replace(/\.$/, '').split('.');
  if (!labels.every((label) => /^[a-z0-9_*-]{1,63}$/.test(label))) return null;
  const wire = Buffer.concat([
    ...labels.map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`)),
    octet(0),
  ]);
  return wire.length <= 255 ? wire : null;
}

/** An update of a zone, not signed. Names are ones that `encodeName` takes; no change at all is a valid update. */
export function encodeUpdate(id: number, zone: Buffer, changes: readonly TxtChange[]): Buffer {
  return Buffer.concat([
    numbers(id, opcodeUpdate, 1, 0, changes.length, 0),
    zone,
    numbers(type.soa, dnsClass.in),
    ...changes.map(encodeChange),
  ]);
}

function encodeChange({ action, name, value, ttlS }: TxtChange): Buffer {
  const data = characterStrings(Buffer.from(value));
  const adds = action === 'add';
  return Buffer.concat([
    encodeName(name) ?? Buffer.alloc(0),
    numbers(type.txt, adds ? dnsClass.in : dnsClass.none),
    number32(adds ? ttlS : 0),
    numbers(data.length),
    data,
  ]);
}

function characterStrings(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length || at === 0; at += 255) {
    const part = bytes.subarray(at, at + 255);
    parts.push(octet(part.length), part);
  }
  return Buffer.concat(parts);
}

/** What is digested beside the message (RFC 8945 §4.3.3). */
export function tsigVariables({ keyName, algorithm, timeSignedS, fudgeS, error, other }: Omit<Tsig, 'mac'>): Buffer {
  return Buffer.concat([
    keyName,
    numbers(dnsClass.any),
    number32(0),
    algorithm,
    number48(timeSignedS),
    numbers(fudgeS, error, other.length),
    other,
  ]);
}

/** The message with its signature as last record. */
export function withTsig(message: Buffer, tsig: Tsig): Buffer {
  const { keyName, algorithm, timeSignedS, fudgeS, mac, originalId, error, other } = tsig;
  const data = Buffer.concat([
    algorithm,
    number48(timeSignedS),
    numbers(fudgeS, mac.length),
    mac,
    numbers(originalId, error, other.length),
    other,
  ]);
  const signed = Buffer.concat([
    message,
    keyName,
    numbers(type.tsig, dnsClass.any),
    number32(0),
    numbers(data.length),
    data,
  ]);
  signed.writeUInt16BE(message.readUInt16BE(10) + 1, 10);
  return signed;
}

/** Throws RangeError for what is no DNS message. */
export function decodeAnswer(message: Buffer): Answer {
  const flags = message.readUInt16BE(2);
  const [questions, ...records] = [4, 6, 8, 10].map((at) => message.readUInt16BE(at));
  let at = 12;
  for (let n = 0; n < (questions ?? 0); n += 1) at = nameEnd(message, at) + 4;
  const total = records.reduce((sum, count) => sum + count, 0);
  let last = at;
  for (let n = 0; n < total; n += 1) {
    last = at;
    const header = nameEnd(message, at);
    at = header + 10 + message.readUInt16BE(header + 8);
  }
  const isSigned = total > 0 && (records[2] ?? 0) > 0 && message.readUInt16BE(nameEnd(message, last)) === type.tsig;
  const tsig = isSigned ? decodeTsig(message, last) : null;
  const unsigned = Buffer.from(message.subarray(0, isSigned ? last : message.length));
  if (tsig) {
    unsigned.writeUInt16BE(tsig.originalId, 0);
    unsigned.writeUInt16BE(unsigned.readUInt16BE(10) - 1, 10);
  }
  const isUpdateAnswer = (flags & 0xf800) === (0x8000 | opcodeUpdate);
  return { id: message.readUInt16BE(0), rcode: flags & 0x0f, isUpdateAnswer, tsig, unsigned };
}

function decodeTsig(message: Buffer, start: number): Tsig {
  const header = nameEnd(message, start);
  const data = header + 10;
  const fixed = nameEnd(message, data);
  const mac = fixed + 10;
  const afterMac = mac + message.readUInt16BE(fixed + 8);
  const other = afterMac + 6;
  return {
    keyName: canonical(message, start),
    algorithm: canonical(message, data),
    timeSignedS: message.readUIntBE(fixed, 6),
    fudgeS: message.readUInt16BE(fixed + 6),
    mac: message.subarray(mac, afterMac),
    originalId: message.readUInt16BE(afterMac),
    error: message.readUInt16BE(afterMac + 2),
    other: message.subarray(other, other + message.readUInt16BE(afterMac + 4)),
  };
}

/** Where the name that begins at `at` ends. Throws RangeError. */
function nameEnd(message: Buffer, at: number): number {
  let end = at;
  for (;;) {
    const length = message.readUInt8(end);
    if (length >= 0xc0) return end + 2;
    if (length > 63) throw new RangeError('No label is that long.');
    end += 1 + length;
    if (length === 0) return end;
  }
}

/** The name at `at`, lower case, compression (RFC 1035 §4.1.4) undone. Throws RangeError. */
function canonical(message: Buffer, at: number): Buffer {
  const parts: Buffer[] = [];
  let position = at;
  for (let labels = 0; labels < 128;) {
    const length = message.readUInt8(position);
    if (length >= 0xc0) {
      const target = message.readUInt16BE(position) & 0x3fff;
      // A pointer leads back, so that no two form a circle.
      if (target >= position) throw new RangeError('A pointer leads forward.');
      position = target;
      continue;
    }
    parts.push(Buffer.from(message.toString('latin1', position, position + 1 + length).toLowerCase(), 'latin1'));
    if (length === 0) return Buffer.concat(parts);
    position += 1 + length;
    labels += 1;
  }
  throw new RangeError('The name has too many labels.');
}

function octet(value: number): Buffer {
  return Buffer.from([value]);
}

function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, i) => bytes.writeUInt16BE(value, i * 2));
  return bytes;
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function number48(value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUIntBE(value, 0, 6);
  return bytes;
}
