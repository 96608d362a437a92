import { decodeOid, DerError } from '../der/reader.js';
import { ExtensionOid } from '../extensions.js';
import type { GeneralName, GeneralNameKind } from '../path/general-name.js';
import { hasSoundALabels } from '../subject-alt-name.js';
import { isCritical, isEmptyName, lint, type Lint, repeated } from './lint.js';

// Subject alternative names.

const source = 'RFC 5280 §4.2.1.6';

export const sanLints: readonly Lint[] = [
  lint(
    'empty-subject-critical-san',
    source,
    'A certificate without a subject has a critical SAN extension.',
    (certificate) =>
      isEmptyName(certificate.subjectDer) && isCritical(certificate, ExtensionOid.subjectAltName) !== true,
  ),
  lint(
    'san-not-critical-beside-subject',
    source,
    'The SAN extension is not critical when there is a subject.',
    (certificate) =>
      !isEmptyName(certificate.subjectDer) && isCritical(certificate, ExtensionOid.subjectAltName) === true,
    { severity: 'warning' },
  ),
  lint('san-not-empty', source, 'The SAN extension has a name.', ({ values }) => values.subjectAltName?.length === 0),
  lint('san-of-known-kind', source, 'Each SAN is of a kind that is issued here.', ({ values }) => {
    return values.subjectAltName?.find(({ kind }) => !(kind in SOUND))?.kind ?? false;
  }),
  lint('san-distinct', source, 'No SAN is repeated.', ({ values }) => {
    const texts = (values.subjectAltName ?? []).map(({ kind, content }) => `${kind}:${content.toString('latin1')}`);
    return (new Set(texts).size < texts.length && repeated(texts)) || false;
  }),
  lint(
    'san-dns-syntax',
    'RFC 5280 §4.2.1.6, RFC 1034 §3.5, RFC 9525 §6.3',
    'A DNS name has labels of letters, digits and hyphens (at most 63 characters each, 253 together), no underscore ' +
      'and no final dot; a wildcard is its whole first label.',
    everyOf('dns'),
  ),
  lint(
    'san-dns-a-labels',
    'RFC 5890 §2.3.2.1, RFC 9549 §4',
    'A label with xn-- is punycode of a normalised internationalised label.',
    ({ values }) => {
      const names = (values.subjectAltName ?? []).filter(({ kind }) => kind === 'dns').map(textOf);
      return names.find((name) => !hasSoundALabels(name)) ?? false;
    },
    { severity: 'warning' },
  ),
  lint('san-ip-length', source, 'An IP address has 4 or 16 octets.', everyOf('ip')),
  lint('san-email-syntax', `${source}, RFC 5321 §4.1.2`, 'An e-mail address is an ASCII mailbox.', everyOf('email')),
  lint('san-uri-syntax', `${source}, RFC 3986 §3`, 'A URI is absolute and in ASCII.', everyOf('uri')),
  lint(
    'san-uri-host',
    source,
    'The host of a URI is a name with a dot in it, or an IP address.',
    ({ values }) => {
      const uris = (values.subjectAltName ?? []).filter(({ kind }) => kind === 'uri').map(textOf);
      return uris.find((uri) => !hasFullHost(uri)) ?? false;
    },
    { severity: 'warning' },
  ),
  lint('san-registered-id', source, 'A registered ID is an object identifier.', everyOf('registeredId')),
];

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;
const MAILBOX = /^[\x21-\x3f\x41-\x7e]{1,64}@([a-z0-9.-]{1,253})$/i;
const URI = /^[a-z][a-z0-9+.-]*:[\x21-\x5b\x5d-\x7e]+$/i;

const SOUND: Partial<Record<GeneralNameKind, (content: Buffer, text: string) => boolean>> = {
  dns: (_, text) => isHostName(text.startsWith('*.') ? text.slice(2) : text) && text.length <= 253,
  ip: ({ length }) => length === 4 || length === 16,
  email: (_, text) => isHostName(MAILBOX.exec(text)?.[1] ?? ''),
  uri: (_, text) => URI.test(text) && URL.canParse(text),
  registeredId: (content) => isOid(content),
};

/** Names the first SAN of this kind that is not sound. */
function everyOf(kind: GeneralNameKind): Lint['isBroken'] {
  return ({ values }) => {
    for (const name of values.subjectAltName ?? [])
      if (name.kind === kind && SOUND[kind]?.(name.content, textOf(name)) === false) return shown(name);
    return false;
  };
}

function textOf({ content }: GeneralName): string {
  return content.toString('latin1');
}

function shown(name: GeneralName): string {
  return name.kind === 'ip' || name.kind === 'registeredId' ? `#${name.content.toString('hex')}` : textOf(name);
}

function isHostName(text: string): boolean {
  const labels = text.split('.');
  return text.length <= 253 && labels.every((label) => LABEL.test(label));
}

/** True also for a URI without an authority, e.g. a URN. */
function hasFullHost(uri: string): boolean {
  const authority = /^[^:]+:\/\/([^/?#]*)/.exec(uri)?.[1];
  if (authority === undefined) return true;
  const host = authority.replace(/^.*@/, '').replace(/:\d*$/, '');
  return host.startsWith('[') || (isHostName(host) && host.includes('.'));
}

function isOid(content: Buffer): boolean {
  try {
    return decodeOid(content).length > 0;
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
}
