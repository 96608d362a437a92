import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import type { SubjectAltName, SubjectFields } from '../plugin-api/plugin.js';
import { readName } from './names.js';
import { normaliseSan } from './subject-alt-name.js';

/**
 * A name that a certificate would vouch for, as rules on names see it: the host (lower case, punycode, without a dot at
 * its end; also that of an e-mail address or URI) or the IP address. `text` is the name as it was given.
 */
export type ClaimedName = { text: string } & ({ host: string; ip?: undefined } | { ip: string; host?: undefined });

/** What of a request or certificate can carry names. `subjectDer` is the whole DN where it is kept as it came. */
export interface NameCarrier {
  subject: SubjectFields;
  subjectDer?: Buffer;
  subjectAltNames: readonly SubjectAltName[];
}

/** Common name and, because clients have read hosts out of it too, emailAddress. */
const nameAttributes: ReadonlySet<string> = new Set(['2.5.4.3', '1.2.840.113549.1.9.1']);

/**
 * Every name that the certificate would carry, each spelling once: SANs first, then the common names of the DN, of
 * which a CSR can have several. Left out is what names no host: a common name with spaces inside, a URI without a host,
 * a registered id.
 */
export function claimedNames({ subject, subjectDer, subjectAltNames }: NameCarrier): ClaimedName[] {
  const commonNames = subjectDer
    ? readName(subjectDer)
        .flat()
        .filter(({ oid }) => nameAttributes.has(oid))
        .map(({ text }) => text)
    : [subject.commonName ?? ''];
  const claimed = [...subjectAltNames.flatMap(fromSan), ...commonNames.flatMap(fromCommonName)];
  const seen = new Set<string>();
  return claimed.filter(({ host, ip }) => !seen.has(host ?? ip) && seen.add(host ?? ip));
}

function fromSan({ type, value }: SubjectAltName): ClaimedName[] {
  if (type === 'registeredId') return [];
  if (type === 'uri') return fromUri(value);
  return hostOrIp(value, type === 'email' ? value.slice(value.lastIndexOf('@') + 1) : value);
}

/**
 * Where a backslash stands some clients end the host, and others read on (RFC 3986 §3.2): it claims the names that
 * either sees.
 */
function fromUri(value: string): ClaimedName[] {
  const readings = new Set([value, value.replaceAll('\\', '%5C')]);
  return [...readings]
    .filter((uri) => URL.canParse(uri))
    .flatMap((uri) => hostOrIp(value, decoded(new URL(uri).hostname).replace(/^\[|\]$/g, '')));
}

/** Hosts of schemes that URL does not know keep their percent signs. */
function decoded(host: string): string {
  try {
    return decodeURIComponent(host);
  } catch {
    return host;
  }
}

/** What has spaces inside is the name of a person or product; anything else may be read as a host by some client. */
function fromCommonName(commonName: string): ClaimedName[] {
  const text = commonName.trim();
  if (/\s/.test(text)) return [];
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return fromUri(text);
  return hostOrIp(commonName, text.slice(text.lastIndexOf('@') + 1));
}

function hostOrIp(text: string, given: string): ClaimedName[] {
  if (isIP(given) !== 0 && !given.includes('%'))
    return [{ text, ip: normaliseSan({ type: 'ip', value: given }).value }];
  const host = plainHost(given);
  return host === '' ? [] : [{ text, host }];
}

/** Also of what is no proper host name, such as one with an underscore: old clients would compare it all the same. */
export function plainHost(given: string): string {
  const ascii = /^[\x21-\x7e]*$/.test(given) ? given : domainToASCII(given.slice(0, 1000)) || given;
  return ascii.toLowerCase().replace(/\.+$/, '');
}
