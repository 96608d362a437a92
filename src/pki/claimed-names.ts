import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import type { SubjectAltName, SubjectFields } from '../plugin-api/terms.js';
import { readName } from './names.js';
import { normaliseSan } from './subject-alt-name.js';

/**
 * A name that a certificate would certify, as name rules see it: a host (lower case, punycode, no trailing dot; also
 * the host of an e-mail address or URI) or an IP address. `text` is the name as given.
 */
export type ClaimedName = { text: string } & ({ host: string; ip?: undefined } | { ip: string; host?: undefined });

/** The parts of a request or certificate that carry names. `subjectDer` is the whole DN when it is kept unchanged. */
export interface NameCarrier {
  subject: SubjectFields;
  subjectDer?: Buffer;
  subjectAltNames: readonly SubjectAltName[];
}

/** Common name, and emailAddress: some clients read hosts from it too. */
const nameAttributes: ReadonlySet<string> = new Set(['2.5.4.3', '1.2.840.113549.1.9.1']);

/**
 * Every name that the certificate would carry, without repetitions: SANs first, then all common names of the DN. Skips
 * values that name no host: a common name with inner spaces, a URI without a host (see `urisWithoutHost`), a registered
 * id.
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

/** URIs without a recognisable host, e.g. `urn:uuid:…` or `tel:…`: name rules cannot match them. */
export function urisWithoutHost({ subjectAltNames }: Pick<NameCarrier, 'subjectAltNames'>): string[] {
  return subjectAltNames
    .filter(({ type, value }) => type === 'uri' && fromUri(value).length === 0)
    .map(({ value }) => value);
}

/** Every host that some client reads from the URI. */
function fromUri(value: string): ClaimedName[] {
  return [...authorityHosts(value), ...opaqueHosts(value)].flatMap((host) => hostOrIp(value, host));
}

/** The hosts after `//`. Some clients end the host at a backslash and others read on (RFC 3986 §3.2): both count. */
function authorityHosts(value: string): string[] {
  const readings = new Set([value, value.replaceAll('\\', '%5C')]);
  return [...readings]
    .filter((uri) => URL.canParse(uri))
    .map((uri) => decoded(new URL(uri).hostname).replace(/^\[|\]$/g, ''));
}

/** Schemes whose first part is a host, or an address with one (RFC 3261, 3859, 3860, 5122, 6068, 7565). */
const hostFirst: ReadonlySet<string> = new Set(['sip', 'sips', 'xmpp', 'im', 'pres', 'mailto', 'acct']);

/**
 * The hosts of a URI without `//`: the text after an `@`, an address in brackets, and every part in the form of a
 * domain or address. For `sip:` and similar schemes the first part is a host in any form (RFC 5922 §7.1).
 */
function opaqueHosts(value: string): string[] {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(value) ?? [];
  const isHostFirst = hostFirst.has(scheme.toLowerCase());
  if (!isHostFirst && /^\/\/[^/]/.test(rest)) return [];
  const text = decoded(rest);
  const parts = text
    .replace(/\[[^\]]*\]/g, ' ')
    .split(/[^\p{L}\p{M}\p{N}@._*-]+/u)
    .filter((part) => part !== '');
  return [
    ...[...text.matchAll(/\[([^\]]*)\]/g)].map(([, address = '']) => address),
    ...parts.flatMap((part, i) => {
      const [first = '', ...behindAt] = part.split('@');
      const isHost = behindAt.length === 0 && ((isHostFirst && i === 0) || isIP(part) !== 0 || domain.test(part));
      return isHost ? [first] : behindAt;
    }),
  ];
}

/** At least two labels; the last is not a number. */
const domain = /^[^.@]+(\.[^.@]+)*\.(?!\d+\.?$)[^.@]+\.?$/;

/** URL leaves percent signs in hosts of unknown schemes. */
function decoded(host: string): string {
  try {
    return decodeURIComponent(host);
  } catch {
    return host;
  }
}

/** With inner spaces it names a person or product; some client may read anything else as a host. */
function fromCommonName(commonName: string): ClaimedName[] {
  const text = commonName.trim();
  if (/\s/.test(text)) return [];
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return fromUri(text);
  return [...(/^[a-z][a-z0-9+-]*:/i.test(text) ? fromUri(text) : []), ...ownHost(commonName, text)];
}

function ownHost(commonName: string, text: string): ClaimedName[] {
  return hostOrIp(commonName, text.slice(text.lastIndexOf('@') + 1));
}

function hostOrIp(text: string, given: string): ClaimedName[] {
  if (isIP(given) !== 0 && !given.includes('%'))
    return [{ text, ip: normaliseSan({ type: 'ip', value: given }).value }];
  const host = plainHost(given);
  return host === '' ? [] : [{ text, host }];
}

/** Accepts invalid host names too, e.g. with an underscore: old clients compare them all the same. */
export function plainHost(given: string): string {
  const ascii = /^[\x21-\x7e]*$/.test(given) ? given : domainToASCII(given.slice(0, 1000)) || given;
  return ascii.toLowerCase().replace(/\.+$/, '');
}
