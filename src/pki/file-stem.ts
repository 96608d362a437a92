import { createHash } from 'node:crypto';

const longestStem = 200;

/**
 * A common name as a file name: ASCII letters, digits, `.`, `_`, `-`, `@`, no leading dot, at most 200 bytes. `*`
 * becomes `_wildcard`. If other characters change, a hash of the original keeps file names distinct.
 */
export function fileStem(commonName: string): string {
  const plain = commonName.replace(/^\*(?=\.|$)/, '_wildcard');
  const safe = plain
    .replace(/[^A-Za-z0-9._@-]/g, '_')
    .replace(/^\./, '_')
    .slice(0, longestStem);
  return safe === plain && safe !== '' ? safe : hashedStem(safe, commonName);
}

/** `stem` with a hash of `original`, at most `longest` characters. */
export function hashedStem(stem: string, original: string, longest = longestStem): string {
  const hash = createHash('sha256').update(original).digest('hex').slice(0, 8);
  return `${stem.slice(0, longest - hash.length - 1)}-${hash}`;
}
