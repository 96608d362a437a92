import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What dumpasn1 finds wrong with each object (DER) by name: faults of encoding, and what looks suspicious. */
export async function asn1Faults(objects: ReadonlyMap<string, Buffer>): Promise<Record<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'dumpasn1-'));
  try {
    const faults: Record<string, string> = {};
    for (const [name, der] of objects) {
      writeFileSync(join(folder, 'object.der'), der);
      const fault = await faultOf(join(folder, 'object.der'));
      if (fault !== null) faults[name] = fault;
    }
    return faults;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A fault in random octets is none of the object, which is judged again without a look into octets. */
async function faultOf(file: string): Promise<string | null> {
  const text = await dump(file);
  return faultIn(text) !== null && isInRandomOctets(text) ? faultIn(await dump(file, '-e')) : faultIn(text);
}

/**
 * What it prints, in full. `-z`: good and unknown of OCSP are NULL with another tag, which has no content (RFC 6960
 * §4.2.1).
 */
function dump(file: string, ...more: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    // Fails when it finds errors, which stand in its output.
    execFile('dumpasn1', ['-a', '-l', '-z', ...more, file], { maxBuffer: 67_108_864 }, (error, stdout, stderr) => {
      if (error && typeof error.code === 'string') reject(new Error(error.message, { cause: error }));
      else resolve(`${stdout}${stderr}`);
    });
  });
}

const message = /Error:|Warning:/;
/** Dates from 2038 on are no fault of the object. */
const lateDate = /^ *: +Error: Time value cannot be represented in a 32-bit time_t\.$/;
const isFault = (line: string): boolean => message.test(line) && !lateDate.test(line);

function faultIn(text: string): string | null {
  const told = text.split('\n').filter((line) => message.test(line));
  const faults = told.filter(isFault);
  if (faults.length > 0) return faults.join('\n');
  const count = told.length === 1 ? '1 error' : `${told.length} errors`;
  return text.trimEnd().endsWith(`0 warnings, ${count}.`) ? null : text.slice(-200);
}

/**
 * Octets of salts and initialization vectors, of hashes, and of signatures with Ed25519 and RSA, the latter two with
 * the octet of unused bits.
 */
const randomLengths: ReadonlySet<number> = new Set([16, 20, 32, 48, 64, 65, 129, 257, 385, 513]);
/** With the octet of unused bits. */
const ed25519Key = /^ *\d+ +33: +BIT STRING,/;

/** Once in some thousand times a hash begins like a value of ASN.1 of the right length, and is read as one. */
function isInRandomOctets(text: string): boolean {
  const lines = text.split('\n');
  const opened = lines.slice(0, lines.findIndex(isFault)).findLast((line) => / encapsulates \{$/.test(line));
  return randomLengths.has(Number(/^ *\d+ +(\d+):/.exec(opened ?? '')?.[1])) || ed25519Key.test(opened ?? '');
}
