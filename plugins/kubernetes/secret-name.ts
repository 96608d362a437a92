import { hashedStem } from '../../src/pki/file-stem.js';

/** Stands in the name of a secret for the common name. */
export const placeholder = '{commonName}';

/** The longest name of an object, a DNS subdomain (RFC 1123). */
const longest = 253;
/** Longer labels are allowed in the names of secrets, so only the form counts. */
export const objectName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/**
 * The name of the secret of a certificate, a DNS subdomain. `*` becomes `wildcard`. If more than the case of letters
 * changes, a hash of the common name keeps names distinct.
 */
export function secretName(template: string, commonName: string): string {
  const plain = commonName.replace(/^\*(?=\.|$)/, 'wildcard').toLowerCase();
  const name = template.replaceAll(placeholder, plain);
  // The host `wildcard.example.com` is not `*.example.com`.
  const isAlone = !/^wildcard(\.|$)/i.test(commonName);
  if (isAlone && objectName.test(name) && name.length <= longest) return name;
  const safe = plain.replace(/[^a-z0-9.-]/g, '-');
  const parts = template
    .replaceAll(placeholder, safe)
    .split('.')
    .map((part) => part.replace(/^-+|-+$/g, ''))
    .filter((part) => part !== '');
  return hashedStem(parts.join('.'), commonName, longest)
    .replace(/[.-]+(?=-[0-9a-f]{8}$)/, '')
    .replace(/^-/, '');
}
