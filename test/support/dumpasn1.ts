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

function faultIn(text: string): string | null {
  const lines = text.split('\n').filter((line) => /Error:|Warning:/.test(line));
  const faults = lines.filter((line) => !lateDate.test(line));
  if (faults.length > 0) return faults.join('\n');
  const count = lines.length === 1 ? '1 error' : `${lines.length} errors`;
  return text.trimEnd().endsWith(`0 warnings, ${count}.`) ? null : text.slice(-200);
}
