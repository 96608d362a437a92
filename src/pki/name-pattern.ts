import { isIP } from 'node:net';
import { type ClaimedName, plainHost } from './claimed-names.js';
import { PkiError } from './pki-error.js';
import { ipOctets } from './subject-alt-name.js';

/**
 * A pattern for names in rules. It always matches whole names: `www.example.com` is that host; `*` within a label
 * matches any characters of the label; `.example.com` is every host below example.com, but not itself; `.` is every
 * host; `10.0.0.0/8` is a network of IP addresses. Case, punycode and a trailing dot do not matter.
 */
export interface NamePattern {
  /** The normalised pattern. */
  readonly text: string;
  /** True when the pattern contains everything that the name stands for (it may be a wildcard). */
  covers(name: ClaimedName): boolean;
}

/** Throws PkiError `bad-name`. */
export function parseNamePattern(given: string): NamePattern {
  const text = given.trim();
  return isIP(text.split('/')[0] ?? '') === 0 ? hostPattern(text) : network(text);
}

function hostPattern(given: string): NamePattern {
  if (given === '.') return { text: '.', covers: ({ host }) => host !== undefined };
  const below = given.startsWith('.');
  const text = plainHost(below ? given.slice(1) : given);
  const labels = text.split('.');
  if (
    text.length > 253 ||
    !labels.every((label) => /^[a-z0-9_*]([a-z0-9_*-]{0,61}[a-z0-9_*])?$/.test(label)) ||
    (below && text.includes('*'))
  ) {
    throw new PkiError(
      'bad-name',
      `"${given.slice(0, 100)}" is not a name pattern like www.example.com, ` +
        '*.example.com, .example.com or 10.0.0.0/8',
    );
  }
  if (below) return { text: `.${text}`, covers: ({ host }) => host?.endsWith(`.${text}`) ?? false };
  return { text, covers: ({ host }) => host !== undefined && hostMatches(labels, host.split('.')) };
}

/**
 * True when the literal text of `host` matches these labels with stars. If `host` is itself a wildcard, then everything
 * that it stands for matches as well.
 */
export function hostMatches(labels: readonly string[], host: readonly string[]): boolean {
  return labels.length === host.length && labels.every((label, i) => labelMatches(label, host[i] ?? ''));
}

/** Shortest match per star. That suffices, because the text after the last star must match at the end. */
function labelMatches(pattern: string, label: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return label === pattern;
  if (label === '' || !label.startsWith(first) || !label.endsWith(last) || label.length < first.length + last.length)
    return false;
  let at = first.length;
  for (const part of rest) {
    at = label.indexOf(part, at) + part.length;
    if (at < part.length) return false;
  }
  return at <= label.length - last.length;
}

function network(given: string): NamePattern {
  const [address = '', bits, ...more] = given.split('/');
  const octets = ipOctets(address);
  const length = bits === undefined ? octets.length * 8 : Number(bits);
  if (more.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits)) || length > octets.length * 8) {
    throw new PkiError('bad-name', `"${given.slice(0, 100)}" is not a network like 10.0.0.0/8`);
  }
  const prefix = bitsOf(octets).slice(0, length);
  return {
    text: given.toLowerCase(),
    covers: ({ ip }) => ip !== undefined && sameFamily(ip, address) && bitsOf(ipOctets(ip)).startsWith(prefix),
  };
}

function sameFamily(a: string, b: string): boolean {
  return isIP(a) === isIP(b);
}

function bitsOf(octets: Buffer): string {
  return [...octets].map((octet) => octet.toString(2).padStart(8, '0')).join('');
}
