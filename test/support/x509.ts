import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { execFileSync } from './sync-programs.js';

/**
 * Runs a program in a folder that holds `files`, and returns what it wrote to stdout and stderr. Throws when it fails.
 */
export function runOn(
  files: Readonly<Record<string, string | Buffer>>,
  program: string,
  ...args: readonly string[]
): string {
  const folder = mkdtempSync(join(tmpdir(), 'x509-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    return execFileSync('/bin/sh', ['-c', 'exec "$@" 2>&1', program, program, ...args], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Real DER with a few octets changed, cut off or put in: close enough to pass the first checks of a parser. */
export function mutationsOf(...originals: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const change = fc.record({
    at: fc.nat(),
    octet: fc.integer({ min: 0, max: 255 }),
    kind: fc.constantFrom('set', 'cut', 'insert'),
  });
  return fc
    .tuple(fc.constantFrom(...originals), fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([original, changes]) =>
      changes.reduce<Buffer>((der, { at, octet, kind }) => {
        const place = at % (der.length + 1);
        if (kind === 'cut') return der.subarray(0, place);
        return Buffer.concat([
          der.subarray(0, place),
          Buffer.from([octet]),
          der.subarray(kind === 'set' ? place + 1 : place),
        ]);
      }, original),
    );
}
