import { isIP } from 'node:net';
import { DerError, DerReader, Tag } from '../der/reader.js';
import { formatDn, readName, rdnKeys } from '../names.js';
import { type GeneralName, type GeneralNameKind, readGeneralName } from './general-name.js';

/** One name or one constraint, read once so that many comparisons are cheap. */
interface ComparableName {
  kind: GeneralNameKind;
  /** In lower case for hosts. */
  text: string;
  octets: Buffer;
  /** Of a directoryName, see `rdnKeys`. */
  rdns: readonly string[];
}

/** NameConstraints (RFC 5280 §4.2.1.10), by type of name. */
export interface NameConstraints {
  permitted: Subtrees;
  excluded: Subtrees;
}

type Subtrees = ReadonlyMap<GeneralNameKind, readonly ComparableName[]>;

/** The names of a certificate to which constraints apply: the subject, its e-mail addresses, and the SANs. */
export type ConstrainedNames = readonly ComparableName[];

/** Bounds the comparisons of one path: each costs time, and their number is a product that an attacker chooses. */
export class ComparisonBudget {
  constructor(private left = 250_000) {}

  /** Whether the comparison may still be made. */
  spend(): boolean {
    this.left -= 1;
    return this.left >= 0;
  }
}

const SMTP_UTF8_MAILBOX = '1.3.6.1.5.5.7.8.9';
const EMAIL_ADDRESS = '1.2.840.113549.1.9.1';

function comparableOf({ kind, content }: GeneralName): ComparableName {
  const rdns = kind === 'directoryName' ? rdnKeys(readName(content)) : [];
  const text = content.toString('utf8');
  return { kind, text: kind === 'dns' || kind === 'uri' ? text.toLowerCase() : text, octets: content, rdns };
}

/** Throws DerError or PkiError for malformed constraints. */
export function readNameConstraints(valueDer: Buffer): NameConstraints {
  const reader = DerReader.enter(valueDer);
  const permitted = readSubtrees(reader.enterIf(0xa0));
  const excluded = readSubtrees(reader.enterIf(0xa1));
  reader.end();
  if (permitted.size + excluded.size === 0) throw new DerError('Name constraints without a subtree');
  return { permitted, excluded };
}

function readSubtrees(reader: DerReader | undefined): Subtrees {
  const subtrees = new Map<GeneralNameKind, ComparableName[]>();
  while (reader?.more) {
    const subtree = reader.enter();
    const base = comparableOf(readGeneralName(subtree));
    // RFC 5280: minimum is zero, which DER leaves out, and maximum is absent.
    subtree.end();
    demandConstraint(base);
    const others = subtrees.get(base.kind);
    if (others) others.push(base);
    else subtrees.set(base.kind, [base]);
  }
  return subtrees;
}

const HOST = /^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i;
const LOCAL_PART = /^[^\s@]+$/;

/** Throws DerError for a constraint that no name can be compared with. */
function demandConstraint({ kind, text, octets }: ComparableName): void {
  const isSound = {
    dns: () => text === '' || HOST.test(text),
    email: () => isMailbox(text) || text === '' || HOST.test(text.replace(/^\./, '')),
    uri: () => HOST.test(text.replace(/^\./, '')),
    ip: () => (octets.length === 8 || octets.length === 32) && hasContiguousMask(octets),
  }[kind as string];
  if (isSound && !isSound()) throw new DerError(`A constraint on names of type ${kind} is malformed`);
}

function isMailbox(text: string): boolean {
  const at = text.lastIndexOf('@');
  return at > 0 && LOCAL_PART.test(text.slice(0, at)) && HOST.test(text.slice(at + 1));
}

function hasContiguousMask(octets: Buffer): boolean {
  const bits = [...octets.subarray(octets.length / 2)].map((octet) => octet.toString(2).padStart(8, '0')).join('');
  return /^1*0*$/.test(bits);
}

/** The names in a subject (DER) and in the value of a SAN extension. Throws DerError or PkiError. */
export function constrainedNames(subjectDer: Buffer, sanDer: Buffer | undefined): ConstrainedNames {
  const names: ComparableName[] = [];
  for (const reader = sanDer && DerReader.enter(sanDer); reader?.more;) {
    const name = comparableOf(readGeneralName(reader));
    names.push(name, ...utf8MailboxOf(name));
  }
  const subject = readName(subjectDer);
  if (subject.length === 0) return names;
  names.push({ kind: 'directoryName', text: '', octets: subjectDer, rdns: rdnKeys(subject) });
  if (names.some(({ kind }) => kind === 'email')) return names;
  // RFC 5280 §4.2.1.10: addresses in the subject count when no SAN is one.
  const addresses = subject.flat().filter(({ oid }) => oid === EMAIL_ADDRESS);
  return [...names, ...addresses.map(({ text, der }) => ({ kind: 'email' as const, text, octets: der, rdns: [] }))];
}

/** RFC 9598 §6: constraints on e-mail addresses apply to this otherName too. */
function utf8MailboxOf({ kind, octets }: ComparableName): ComparableName[] {
  if (kind !== 'otherName') return [];
  const other = DerReader.over(octets);
  if (other.oid() !== SMTP_UTF8_MAILBOX) return [];
  const mailbox = other.enter(0xa0).content(Tag.utf8String);
  return [{ kind: 'email', text: mailbox.toString('utf8'), octets: mailbox, rdns: [] }];
}

/** Why `names` violate `constraints`, or null. */
export function constraintViolation(
  names: ConstrainedNames,
  { permitted, excluded }: NameConstraints,
  budget: ComparisonBudget,
): string | null {
  for (const name of names) {
    const [allowed, forbidden] = [permitted.get(name.kind) ?? [], excluded.get(name.kind) ?? []];
    if (allowed.length + forbidden.length === 0) continue;
    if (!(name.kind in WITHIN)) return `Constraints on names of type ${name.kind} cannot be checked`;
    const fault = nameFault(name, allowed, forbidden, budget);
    if (fault !== null) return fault;
  }
  return null;
}

function nameFault(
  name: ComparableName,
  permitted: readonly ComparableName[],
  excluded: readonly ComparableName[],
  budget: ComparisonBudget,
): string | null {
  const shown = shownName(name);
  if (!isWellFormed(name)) return `${shown} is malformed, so that the name constraints cannot be checked`;
  const isMatch = (base: ComparableName, isExcluded: boolean): boolean | null =>
    budget.spend() ? (WITHIN[name.kind]?.(name, base, isExcluded) ?? false) : null;
  for (const base of excluded) {
    const match = isMatch(base, true);
    if (match === null) return TOO_MANY;
    if (match) return `${shown} is in an excluded subtree`;
  }
  for (const base of permitted) {
    const match = isMatch(base, false);
    if (match === null) return TOO_MANY;
    if (match) return null;
  }
  return permitted.length > 0 ? `${shown} is in none of the permitted subtrees` : null;
}

const TOO_MANY = 'There are too many names and name constraints to compare';

function shownName({ kind, text, octets }: ComparableName): string {
  if (kind === 'directoryName') return `The name ${formatDn(octets).slice(0, 200)}`;
  return `The name ${kind}:${kind === 'ip' ? octets.toString('hex') : text.slice(0, 200)}`;
}

function isWellFormed({ kind, text, octets }: ComparableName): boolean {
  if (kind === 'dns') return HOST.test(text.replace(/^\*\./, ''));
  if (kind === 'email') return isMailbox(text) || text.includes('@');
  if (kind === 'ip') return octets.length === 4 || octets.length === 16;
  return kind !== 'uri' || uriHost(text) !== null;
}

/** RFC 5280 §4.2.1.10: a URI without a host name cannot satisfy or violate a constraint, and is rejected. */
function uriHost(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const { hostname } = new URL(text);
  return hostname === '' || hostname.startsWith('[') || isIP(hostname) !== 0 ? null : hostname.toLowerCase();
}

type Within = (name: ComparableName, base: ComparableName, isExcluded: boolean) => boolean;

const WITHIN: Partial<Record<GeneralNameKind, Within>> = {
  dns: ({ text }, base, isExcluded) => dnsWithin(text, base.text, isExcluded),
  email: ({ text }, base) => emailWithin(text, base.text),
  uri: ({ text }, base) => hostWithin(uriHost(text) ?? '', base.text),
  ip: ({ octets }, base) => ipWithin(octets, base.octets),
  directoryName: ({ rdns }, base) => base.rdns.every((rdn, at) => rdns[at] === rdn),
};

/** A wildcard is in an excluded subtree when one of the names that it stands for is. */
function dnsWithin(name: string, base: string, isExcluded: boolean): boolean {
  if (base === '' || name === base || name.endsWith(`.${base}`)) return true;
  return isExcluded && name.startsWith('*.') && base.slice(base.indexOf('.') + 1) === name.slice(2);
}

/** `.example.com` stands for the hosts below; any other constraint for one host. */
function hostWithin(host: string, base: string): boolean {
  return base.startsWith('.') ? host.endsWith(base) : host === base;
}

function emailWithin(address: string, base: string): boolean {
  const host = (text: string) => text.slice(text.lastIndexOf('@') + 1).toLowerCase();
  if (!base.includes('@')) return base === '' || hostWithin(host(address), base.toLowerCase());
  const local = (text: string) => text.slice(0, text.lastIndexOf('@'));
  return local(address) === local(base) && host(address) === host(base);
}

function ipWithin(address: Buffer, base: Buffer): boolean {
  const size = base.length / 2;
  if (address.length !== size) return false;
  return address.every((octet, at) => ((octet ^ (base[at] ?? 0)) & (base[size + at] ?? 0)) === 0);
}
