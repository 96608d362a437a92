import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import type { SubjectAltName } from '../../plugin-api/terms.js';
import type { ParsedCertificate } from '../certificate.js';
import { PkiError } from '../pki-error.js';
import { normaliseSan } from '../subject-alt-name.js';

/**
 * The name of a host, an address or a mailbox as a person writes it, in the form in which certificates hold it. Accepts
 * more host names than can be issued, e.g. with underscores. Throws PkiError `bad-name`.
 */
export function namedSan(text: string): SubjectAltName {
  if (isIP(text) !== 0) return normaliseSan({ type: 'ip', value: text });
  if (text.includes('@')) return { type: 'email', value: text };
  const host = text.replace(/\.$/, '').toLowerCase();
  const value = /^[\x21-\x7e]*$/.test(host) ? host : domainToASCII(host.slice(0, 1000));
  if (value === '' || value.length > 253 || value.includes('*'))
    throw new PkiError('bad-name', `"${text.slice(0, 100)}" is not the name of a host`);
  return { type: 'dns', value };
}

/**
 * Whether the certificate holds this name, as `namedSan` returns it, among its SANs (RFC 9525 §6): a wildcard stands
 * for exactly one whole first label above at least two others, and the common name never counts.
 */
export function isNamed(
  { subjectAltNames }: Pick<ParsedCertificate, 'subjectAltNames'>,
  asked: SubjectAltName,
): boolean {
  return subjectAltNames.some(({ type, value }) => {
    if (type !== asked.type) return false;
    if (type === 'email') return sameMailbox(value, asked.value);
    if (type !== 'dns' || !value.startsWith('*.')) return value === asked.value;
    const dot = asked.value.indexOf('.');
    return value.slice(2).includes('.') && dot > 0 && asked.value.slice(dot) === value.slice(1);
  });
}

/** RFC 5280 §7.5: the local part is case-sensitive, the host is not. */
function sameMailbox(a: string, b: string): boolean {
  const at = a.lastIndexOf('@');
  return (
    a.slice(0, at) === b.slice(0, b.lastIndexOf('@')) &&
    a.slice(at).toLowerCase() === b.slice(b.lastIndexOf('@')).toLowerCase()
  );
}
