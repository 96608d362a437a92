import { isIP } from 'node:net';
import { type ClaimedName, plainHost } from './claimed-names.js';
import { PkiError } from './pki-error.js';
import { ipOctets } from './subject-alt-name.js';

/**
 * A set of names, as rules write it. It always speaks of whole names, so it cannot be anchored wrongly:
 * `www.example.com` is that host; `*` in a label stands for any characters of that label; `.example.com` is every host
 * below example.com, not itself, and `.` every host; `10.0.0.0/8` is a network of IP addresses. Case, punycode and a
 * dot at the end do not count.
 */
export interface NamePattern {
  /** In its one spelling. */
  readonly text: string;
  /** True when everything that the name can stand for (it may be a wildcard) is in the set. */
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
      `"${given.slice(0, 100)}" is not a pattern of names such as www.example.com, ` +
        '*.example.com, .example.com or 10.0.0.0/8',
    );
  }
  if (below) return { text: `.${text}`, covers: ({ host }) => host?.endsWith(`.${text}`) ?? false };
  return { text, covers: ({ host }) => host !== undefined && hostMatches(labels, host.split('.')) };
}

/**
 * True when `host`, taken to the letter, fits these labels with stars. Where `host` is a wildcard itself, all that it
 * stands for fits then.
 */
export function hostMatches(labels: readonly string[], host: readonly string[]): boolean {
  return labels.length === host.length && labels.every((label, i) => labelMatches(label, host[i] ?? ''));
}

/** A star takes the shortest that fits; that is enough, because what follows the last star must stand at the end. */
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
    throw new PkiError('bad-name', `"${given.slice(0, 100)}" is not a network such as 10.0.0.0/8`);
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
