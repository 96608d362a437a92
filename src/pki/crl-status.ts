import type { ParsedCertificate } from './certificate.js';
import { findEntry, type ParsedCrl } from './crl-reader.js';
import { DerReader, Tag } from './der/reader.js';
import { ALL_REASONS, type DistributionPoint } from './distribution-points.js';
import { ExtensionOid } from './extensions.js';
import { publicKeyOf } from './key.js';
import { sameName } from './names.js';
import type { Strictness } from './path/faults.js';
import { PkiError } from './pki-error.js';
import { verifySignature } from './sign.js';

/** What is known of the revocation of one certificate, and why. */
export type RevocationStatus =
  | { status: 'good'; why: string }
  | { status: 'revoked'; why: string; revokedAt: Date; reason?: string; invalidAt?: Date }
  | { status: 'unknown'; why: string };

/** A CRL with what it is to answer. */
export interface CrlQuestion {
  certificate: ParsedCertificate;
  /** The certificate that issued `certificate`, already found valid. */
  issuer: ParsedCertificate;
  /** The point of the certificate from which the CRL came; absent for a CRL from elsewhere. */
  point?: DistributionPoint;
  at: Date;
  strictness?: Strictness;
}

/** `reasons`: the bits of ReasonFlags that the CRL covers; none when it cannot be used. */
export type CrlAnswer = RevocationStatus & { reasons: readonly number[] };

type UsableCrl = { reasons: readonly number[] } | { why: string };

const unknown = (why: string): CrlAnswer => ({ status: 'unknown', why, reasons: [] });

/**
 * The status of a certificate by a complete CRL and perhaps a delta CRL to it (RFC 5280 §6.3.3). Good means good for
 * the reasons that the CRL covers. Throws nothing for foreign input.
 */
export async function statusByCrl(crl: ParsedCrl, question: CrlQuestion, delta?: ParsedCrl): Promise<CrlAnswer> {
  try {
    const use = await usable(crl, question);
    if ('why' in use) return unknown(use.why);
    if (crl.baseNumber !== undefined) return unknown('The CRL is a delta CRL, and the complete one is missing');
    const usableDelta = delta && isDeltaOf(delta, crl) && 'reasons' in (await usable(delta, question)) ? delta : null;
    const facts = await entryStatus(crl, usableDelta, serialOf(question.certificate));
    return { ...facts, reasons: use.reasons };
  } catch (error) {
    if (error instanceof PkiError) return unknown(error.message);
    throw error;
  }
}

async function entryStatus(crl: ParsedCrl, delta: ParsedCrl | null, serial: Buffer): Promise<RevocationStatus> {
  const change = delta && (await findEntry(delta, serial));
  if (change?.reason === 'removeFromCRL') return { status: 'good', why: 'The delta CRL releases the certificate' };
  const entry = change ?? (await findEntry(crl, serial));
  const said = `the CRL of ${(delta ?? crl).thisUpdate.toISOString()}`;
  if (!entry) return { status: 'good', why: `Not in ${said}` };
  const { revokedAt, reason, invalidAt } = entry;
  return {
    status: 'revoked',
    why: `In ${said}`,
    revokedAt,
    ...(reason && { reason }),
    ...(invalidAt && { invalidAt }),
  };
}

/** Whether the CRL is authentic, current and speaks for the certificate. Throws PkiError. */
async function usable(crl: ParsedCrl, { certificate, issuer, point, at, strictness }: CrlQuestion): Promise<UsableCrl> {
  if (!sameName(crl.issuerDer, certificate.issuerDer)) return { why: 'The CRL is of another issuer' };
  const foreign = crl.extensions.find(({ oid, critical }) => critical && !PROCESSED.has(oid));
  if (foreign) return { why: `The critical extension ${foreign.oid} of the CRL is not known here` };
  const formFault = strictness === 'rfc5280' || strictness === 'webpki' ? nonconformity(crl) : null;
  if (formFault !== null) return { why: formFault };
  const scopeFault = outOfScope(crl, certificate, point);
  if (scopeFault !== null) return { why: scopeFault };
  const timeFault = outOfTime(crl, at);
  if (timeFault !== null) return { why: timeFault };
  const signatureFault = await crlSignatureFault(crl, issuer);
  if (signatureFault !== null) return { why: signatureFault };
  const own = crl.scope?.reasons ?? ALL_REASONS;
  return { reasons: own.filter((reason) => (point?.reasons ?? ALL_REASONS).includes(reason)) };
}

const PROCESSED: ReadonlySet<string> = new Set<string>([
  ExtensionOid.crlNumber,
  ExtensionOid.deltaCrlIndicator,
  ExtensionOid.issuingDistributionPoint,
]);

function nonconformity({ extensions, number, authorityKeyIdentifier, nextUpdate }: ParsedCrl): string | null {
  if (number === undefined) return 'The CRL has no number (RFC 5280 §5.2.3)';
  if (extensions.some(({ oid, critical }) => oid === ExtensionOid.crlNumber && critical))
    return 'The number of the CRL is critical (RFC 5280 §5.2.3)';
  if (authorityKeyIdentifier === undefined) return 'The CRL has no authority key identifier (RFC 5280 §5.2.1)';
  return nextUpdate ? null : 'The CRL has no nextUpdate (RFC 5280 §5.1.2.5)';
}

/** RFC 5280 §6.3.3 (b) (2). */
function outOfScope(
  { scope }: ParsedCrl,
  { isCa }: ParsedCertificate,
  point: DistributionPoint | undefined,
): string | null {
  if (!scope) return null;
  if (scope.isIndirect) return 'The CRL is indirect, which is not supported';
  if (scope.only === 'attributes' || (scope.only === 'users' && isCa) || (scope.only === 'authorities' && !isCa))
    return `The CRL is only for certificates of ${scope.only}`;
  if (scope.isRelative) return 'The CRL is named relative to its issuer, which is not supported';
  const isNamed = scope.names.some((name) =>
    point?.names.some(({ kind, content }) => kind === name.kind && content.equals(name.content)),
  );
  return scope.names.length === 0 || isNamed ? null : 'The CRL is for another distribution point';
}

/** Clocks of CAs differ from ours by minutes. */
const SKEW_MS = 5 * 60_000;

function outOfTime({ thisUpdate, nextUpdate }: ParsedCrl, at: Date): string | null {
  if (thisUpdate.getTime() > at.getTime() + SKEW_MS) return `The CRL is only of ${thisUpdate.toISOString()}`;
  if (!nextUpdate) return 'The CRL does not say when the next one comes';
  return nextUpdate < at ? `The CRL is out of date since ${nextUpdate.toISOString()}` : null;
}

/** By which key a CRL is known to be signed: a large one is asked about many certificates. */
const verified = new WeakMap<ParsedCrl, Buffer>();

/** Why the key of this CA has not signed the CRL, or must not; null when it has. RFC 5280 §6.3.3 (f) and (g). */
export async function crlSignatureFault(crl: ParsedCrl, issuer: ParsedCertificate): Promise<string | null> {
  const isRestricted = issuer.extensions.some(({ oid }) => oid === ExtensionOid.keyUsage);
  if (isRestricted && !issuer.keyUsage.includes('cRLSign')) return 'The key of the issuer must not sign CRLs';
  const { authorityKeyIdentifier: asked } = crl;
  if (asked !== undefined && issuer.subjectKeyIdentifier !== undefined && asked !== issuer.subjectKeyIdentifier)
    return 'The CRL is signed with another key of the issuer';
  const { algorithmDer, tbsDer: data, signature } = crl;
  if (verified.get(crl)?.equals(issuer.spkiDer)) return null;
  const isRight =
    crl.algorithmsAgree && (await verifySignature({ algorithmDer, data, signature }, publicKeyOf(issuer.spkiDer)));
  if (isRight) verified.set(crl, issuer.spkiDer);
  return isRight ? null : 'The signature of the CRL is wrong';
}

/** RFC 5280 §5.2.4: same issuer and scope, built on this CRL or an older one, and newer than it. */
function isDeltaOf(delta: ParsedCrl, crl: ParsedCrl): boolean {
  if (delta.baseNumber === undefined || delta.number === undefined || crl.number === undefined) return false;
  const scope = ({ extensions }: ParsedCrl): string =>
    extensions.find(({ oid }) => oid === ExtensionOid.issuingDistributionPoint)?.valueDer.toString('hex') ?? '';
  return delta.baseNumber <= crl.number && delta.number >= crl.number && scope(delta) === scope(crl);
}

/** The content of the serial number's INTEGER. */
export function serialOf({ tbsDer }: ParsedCertificate): Buffer {
  const tbs = DerReader.enter(tbsDer, Tag.sequence, 'ber');
  tbs.enterIf(0xa0);
  return tbs.integer();
}
