import { inflateRawSync, crc32 } from 'node:zlib';

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

/**
 * The files of a ZIP archive (APPNOTE 6.3), stored or deflated, without folders. At most 2,000, of 1 MiB each and 32
 * MiB together. A file that cannot be read has a fault and does not affect the others. Throws ZipError for ZIP64, an
 * archive in parts, more than the bounds, and what is no archive.
 */
export function readZip(archive: Buffer): ZipEntry[] {
  try {
    return filesOf(archive);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ZipError('It is not a readable ZIP archive', { cause: error });
  }
}

function filesOf(archive: Buffer): ZipEntry[] {
  const end = endOf(archive);
  const count = archive.readUInt16LE(end + 10);
  if (count > mostEntries) throw new ZipError(`The archive holds more than ${mostEntries} files`);
  const found: ZipEntry[] = [];
  let left = mostBytes;
  for (let n = 0, at = archive.readUInt32LE(end + 16); n < count; n += 1) {
    if (archive.readUInt32LE(at) !== entrySignature) throw new ZipError('It is not a readable ZIP archive');
    const lengths = [archive.readUInt16LE(at + 28), archive.readUInt16LE(at + 30), archive.readUInt16LE(at + 32)];
    const [nameLength = 0] = lengths;
    const path = archive.toString('utf8', at + 46, at + 46 + nameLength);
    if (!path.endsWith('/')) {
      const entry = { path, ...contentOf(archive, at) };
      left -= entry.bytes?.length ?? 0;
      if (left < 0) throw new ZipError(`The files of the archive are larger than ${mostBytes} bytes together`);
      found.push(entry);
    }
    at += 46 + lengths.reduce((sum, one) => sum + one, 0);
  }
  return found;
}

function endOf(archive: Buffer): number {
  for (let at = archive.length - 22; at >= 0 && at >= archive.length - 22 - longestComment; at -= 1)
    if (archive.readUInt32LE(at) === endSignature && archive.readUInt16LE(at + 4) === 0) return at;
  throw new ZipError('It is not a readable ZIP archive');
}

/** The content of the entry at `at` of the central directory. Its size is a claim, so that inflating is bounded. */
function contentOf(archive: Buffer, at: number): Pick<ZipEntry, 'bytes' | 'fault'> {
  const [flags, method] = [archive.readUInt16LE(at + 8), archive.readUInt16LE(at + 10)];
  if ((flags & encrypted) !== 0) return { fault: 'It is encrypted.' };
  if (archive.readUInt32LE(at + 24) > mostBytesOfEntry)
    return { fault: `It is larger than ${mostBytesOfEntry} bytes.` };
  try {
    const local = archive.readUInt32LE(at + 42);
    if (archive.readUInt32LE(local) !== localSignature) return { fault: 'It is damaged.' };
    const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
    const packed = archive.subarray(start, start + archive.readUInt32LE(at + 20));
    if (method !== 0 && method !== 8) return { fault: 'It is compressed in a way that is not read here.' };
    const bytes = method === 0 ? packed : inflateRawSync(packed, { maxOutputLength: mostBytesOfEntry });
    return crc32(bytes) === archive.readUInt32LE(at + 16) ? { bytes } : { fault: 'It is damaged.' };
  } catch {
    return { fault: 'It is damaged, or larger than it says.' };
  }
}
