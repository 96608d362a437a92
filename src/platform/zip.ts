import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';

/** One file of an archive. Exactly one of `bytes` and `fault` is set. */
export interface ZipEntry {
  /** As the archive has it. Only to be shown: it may lead anywhere. */
  path: string;
  bytes?: Buffer;
  fault?: string;
}

/** An archive that cannot be read as a whole. */
export class ZipError extends Error {}

const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;
const localSignature = 0x04034b50;
const longestComment = 65_535;
const mostEntries = 2000;
const mostBytesOfEntry = 1_048_576;
const mostBytes = 32 * 1_048_576;
const encrypted = 1;
/** Deflate turns one byte into at most so many (RFC 1951: 258 bytes in two bits). */
const mostInflation = 1032;

const inflated = promisify(inflateRaw);

/** An entry of the central directory. `packed` is null when its content is not where it should be. */
interface Listed {
  path: string;
  flags: number;
  method: number;
  crc: number;
  /** A claim, so that inflating is bounded. */
  size: number;
  local: number;
  packed: Buffer | null;
}

/**
 * The files of a ZIP archive (APPNOTE 6.3), stored or deflated, without folders. At most 2,000, of 1 MiB each and 32
 * MiB together, which files that cannot be read count for as well. Such a file has a fault and does not affect the
 * others. Throws ZipError for ZIP64, an archive in parts, files that share bytes, more than the bounds, and what is no
 * archive. Inflates off the event loop.
 */
export async function readZip(archive: Buffer): Promise<ZipEntry[]> {
  try {
    return await filesOf(archive);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ZipError('It is not a readable ZIP archive', { cause: error });
  }
}

async function filesOf(archive: Buffer): Promise<ZipEntry[]> {
  const listed = listedIn(archive);
  demandApart(archive, listed);
  const found: ZipEntry[] = [];
  let left = mostBytes;
  for (const one of listed) {
    const { cost, ...content } = await contentOf(one);
    left -= cost;
    if (left < 0) throw new ZipError(`The files of the archive are larger than ${mostBytes} bytes together`);
    found.push({ path: one.path, ...content });
  }
  return found;
}

/** The files in the central directory. Throws RangeError beyond the end of the archive. */
function listedIn(archive: Buffer): Listed[] {
  const end = endOf(archive);
  const count = archive.readUInt16LE(end + 10);
  if (count > mostEntries) throw new ZipError(`The archive holds more than ${mostEntries} files`);
  const found: Listed[] = [];
  for (let n = 0, at = archive.readUInt32LE(end + 16); n < count; n += 1) {
    if (archive.readUInt32LE(at) !== entrySignature) throw new ZipError('It is not a readable ZIP archive');
    const lengths = [archive.readUInt16LE(at + 28), archive.readUInt16LE(at + 30), archive.readUInt16LE(at + 32)];
    const [nameLength = 0] = lengths;
    const path = archive.toString('utf8', at + 46, at + 46 + nameLength);
    if (!path.endsWith('/')) found.push({ path, ...entryAt(archive, at) });
    at += 46 + lengths.reduce((sum, one) => sum + one, 0);
  }
  return found;
}

function entryAt(archive: Buffer, at: number): Omit<Listed, 'path'> {
  const local = archive.readUInt32LE(at + 42);
  return {
    flags: archive.readUInt16LE(at + 8),
    method: archive.readUInt16LE(at + 10),
    crc: archive.readUInt32LE(at + 16),
    size: archive.readUInt32LE(at + 24),
    local,
    packed: packedAt(archive, local, archive.readUInt32LE(at + 20)),
  };
}

function packedAt(archive: Buffer, local: number, length: number): Buffer | null {
  if (local + 30 > archive.length || archive.readUInt32LE(local) !== localSignature) return null;
  const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
  return archive.subarray(start, start + length);
}

/** Throws ZipError when files have bytes in common: a small archive could hold the same content thousands of times. */
function demandApart(archive: Buffer, listed: readonly Listed[]): void {
  let end = 0;
  for (const { local, packed } of [...listed].sort((a, b) => a.local - b.local)) {
    if (packed === null) continue;
    if (local < end) throw new ZipError('Files of the archive overlap');
    end = packed.byteOffset - archive.byteOffset + packed.length;
  }
}

function endOf(archive: Buffer): number {
  for (let at = archive.length - 22; at >= 0 && at >= archive.length - 22 - longestComment; at -= 1)
    if (archive.readUInt32LE(at) === endSignature && archive.readUInt16LE(at + 4) === 0) return at;
  throw new ZipError('It is not a readable ZIP archive');
}

/** The content of a file, and how many bytes were made of it at most. */
async function contentOf({
  flags,
  method,
  size,
  crc,
  packed,
}: Listed): Promise<Pick<ZipEntry, 'bytes' | 'fault'> & { cost: number }> {
  if ((flags & encrypted) !== 0) return { fault: 'It is encrypted.', cost: 0 };
  if (size > mostBytesOfEntry) return { fault: `It is larger than ${mostBytesOfEntry} bytes.`, cost: 0 };
  if (packed === null) return { fault: 'It is damaged.', cost: 0 };
  if (method !== 0 && method !== 8) return { fault: 'It is compressed in a way that is not read here.', cost: 0 };
  try {
    const bytes = method === 0 ? packed : await inflated(packed, { maxOutputLength: mostBytesOfEntry });
    const cost = bytes.length;
    if (cost > mostBytesOfEntry) return { fault: 'It is damaged, or larger than it says.', cost: 0 };
    return crc32(bytes) === crc ? { bytes, cost } : { fault: 'It is damaged.', cost };
  } catch {
    // How far it came is not known.
    const cost = Math.min(mostBytesOfEntry, packed.length * mostInflation);
    return { fault: 'It is damaged, or larger than it says.', cost };
  }
}
