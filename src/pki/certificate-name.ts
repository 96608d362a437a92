/** The facts that name a certificate. `sans` holds the values in order. */
export interface NamedCertificate {
  commonName?: string;
  sans: readonly string[];
  issuer: { commonName?: string; organization?: string; selfSigned: boolean };
  notBefore: Date;
  notAfter: Date;
}

const MAX_SLUG_INPUT = 10_000;
/** The longest DNS name; a common name or URI may be longer. */
const MAX_SUBJECT = 253;
const MAX_ISSUER = 128;
/** The longest of RFC 5280 §4.1.2.2 has 40 digits. */
const MAX_SERIAL = 64;

/**
 * Keeps ASCII letters without accents, digits, dots and `xn--`; replaces each run of other characters by `joiner`.
 * Reads the first 10,000 characters only.
 */
export function slug(text: string, joiner = '-'): string {
  const plain = text.slice(0, MAX_SLUG_INPUT).normalize('NFKD').replace(/\p{M}/gu, '');
  const joined = plain.replace(/xn--|[^A-Za-z0-9.]+/g, (run) => (run === 'xn--' ? run : joiner));
  return joined.replace(/^-+|-+$/g, '');
}

/**
 * `{subject}-{issuer}-{YYYYMMDD}-{YYYYMMDD}` in UTC, with the prefix `SAN-` when there is more than one SAN: Lemur's
 * naming, so that scripts still find certificates by name. Long parts are truncated. Not unique: see `withSerial`.
 */
export function certificateName({ commonName, sans, issuer, notBefore, notAfter }: NamedCertificate): string {
  const subject = commonName || sans[0];
  const parts = [issuerPart(issuer), day(notBefore), day(notAfter)];
  if (subject) parts.unshift(slug(subject.replaceAll('*', 'WILDCARD')).slice(0, MAX_SUBJECT));
  if (subject && sans.length > 1) parts.unshift('SAN');
  return slug(parts.join('-'));
}

function issuerPart({ commonName, organization, selfSigned }: NamedCertificate['issuer']): string {
  if (selfSigned) return 'selfsigned';
  const name = commonName || organization;
  return name ? slug(name, '').slice(0, MAX_ISSUER) : 'unknown';
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10).replaceAll('-', '');
}

/** The name to use when `name` is taken; with `n` (1, 2, …) when that one is taken too. */
export function withSerial(name: string, serialHex: string, n?: number): string {
  const serial = serialHex.toUpperCase().slice(0, MAX_SERIAL);
  return n === undefined ? `${name}-${serial}` : `${name}-${serial}-${n}`;
}

/**
 * The first free name of `name`, `name-SERIAL` and `name-SERIAL-n`; n is one more than the highest counter in `taken`.
 */
export function freeName(name: string, serialHex: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  const distinct = withSerial(name, serialHex);
  if (!taken.has(distinct)) return distinct;
  const counters = [...taken]
    .filter((other) => other.startsWith(`${distinct}-`))
    .map((other) => other.slice(distinct.length + 1));
  let n = Math.max(0, ...counters.filter((counter) => /^\d{1,9}$/.test(counter)).map(Number)) + 1;
  while (taken.has(withSerial(name, serialHex, n))) n += 1;
  return withSerial(name, serialHex, n);
}
