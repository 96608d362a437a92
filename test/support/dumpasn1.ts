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
      const fault = faultIn(await dump(join(folder, 'object.der')));
      if (fault !== null) faults[name] = fault;
    }
    return faults;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * What it prints, in full. `-z`: good and unknown of OCSP are NULL with another tag, which has no content (RFC 6960
 * §4.2.1).
 */
function dump(file: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // Fails when it finds errors, which stand in its output.
    execFile('dumpasn1', ['-a', '-l', '-z', file], { maxBuffer: 67_108_864 }, (error, stdout, stderr) => {
      if (error && typeof error.code === 'string') reject(new Error(error.message, { cause: error }));
      else resolve(`${stdout}${stderr}`);
    });
  });
}

/** Dates from 2038 on are no fault of the object. */
const lateDate = /^ *: +Error: Time value cannot be represented in a 32-bit time_t\.$/;

/** Octets of hashes and of signatures with Ed25519 and RSA, the latter two with the octet of unused bits. */
const randomLengths: ReadonlySet<number> = new Set([20, 32, 48, 64, 65, 129, 257, 385, 513]);

function faultIn(text: string): string | null {
  const lines = text.split('\n');
  const told = [...lines.keys()].filter((at) => /Error:|Warning:/.test(lines[at] ?? ''));
  const faults = told.filter((at) => !lateDate.test(lines[at] ?? '') && !isInRandomOctets(lines, at));
  if (faults.length > 0) return faults.map((at) => lines[at]).join('\n');
  const [warnings, errors] = ['Warning:', 'Error:'].map(
    (word) => told.filter((at) => lines[at]?.includes(word)).length,
  );
  const count = (n = 0, word = ''): string => `${n} ${word}${n === 1 ? '' : 's'}`;
  const closing = `${count(warnings, 'warning')}, ${count(errors, 'error')}.`;
  return text.trimEnd().endsWith(closing) ? null : text.slice(-200);
}

/** Once in some thousand times a hash begins like a value of ASN.1 of the right length, and is read as one. */
function isInRandomOctets(lines: readonly string[], at: number): boolean {
  const depthOf = (line = ''): number => /^[\d ]*: */.exec(line)?.[0].length ?? 0;
  const around = lines
    .slice(0, at)
    .findLast((line) => / encapsulates \{$/.test(line) && depthOf(line) < depthOf(lines[at]));
  return randomLengths.has(Number(/^ *\d+ +(\d+):/.exec(around ?? '')?.[1]));
}
