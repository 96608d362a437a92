import type { LoadedAuthority } from '../../authorities/authorities.js';
import { certificateDer, type CertificateParts, parseCertificate, splitCertificate } from '../../pki/certificate.js';
import { encodeValidity } from '../../pki/certificate-writer.js';
import { checkIssued } from '../../pki/chain.js';
import { DerError } from '../../pki/der/reader.js';
import { extensionFacts } from '../../pki/extension-reader.js';
import { encodeSubject, subjectFieldsOf } from '../../pki/names.js';
import { PkiError } from '../../pki/pki-error.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { IssuedCertificate } from '../../plugin-api/issuer.js';
import type { RawExtension } from '../../plugin-api/terms.js';
import { type AnswerFacts, answerFacts, factsAsAsked } from '../issued-facts.js';
import { sameFields, type TermsWithoutDates } from '../terms.js';
import { mismatch } from './answer-check.js';
import { isReservedExtension } from './extensions.schema.js';
import type { AskedColumns } from './new-row.js';
import type { Validity } from './validity.js';

// Checks and reads the answer of an issuer in this process.

/** What the issuer was asked to sign. */
export interface AskedHere {
  authority: Pick<LoadedAuthority, 'authority' | 'subjectDer' | 'plugin'>;
  spkiDer: Buffer;
  terms: TermsWithoutDates;
  validity: Validity;
}

/**
 * The facts of a certificate that was signed a moment ago. When each of its parts is what was asked, they follow from
 * `columns`, and the certificate is split but not parsed. Any other answer is parsed, and checked as one of a CA behind
 * a network is. Throws PluginError `refused` when that check fails.
 */
export async function signedFacts(
  columns: AskedColumns,
  asked: AskedHere,
  answer: IssuedCertificate,
): Promise<AnswerFacts> {
  const parts = splitOrNull(answer);
  if (parts && isAsAsked(parts, asked)) return factsAsAsked(columns, asked.validity, parts, answer);
  await check(asked, answer);
  return answerFacts(columns.terms, answer);
}

function splitOrNull({ chainPem }: IssuedCertificate): CertificateParts | null {
  try {
    return splitCertificate(certificateDer(chainPem[0] ?? ''));
  } catch (error) {
    if (error instanceof PkiError || error instanceof DerError) return null;
    throw error;
  }
}

async function check(
  { authority: { authority, plugin }, spkiDer, terms, validity }: AskedHere,
  { chainPem }: IssuedCertificate,
): Promise<void> {
  const { allows } = plugin;
  // The whole DN overrides the members.
  const subject = terms.subjectDer ? subjectFieldsOf(terms.subjectDer) : terms.subject;
  try {
    const chain = [chainPem[0] ?? '', authority.certificatePem].map((pem) => parseCertificate(pem));
    await checkIssued(chain, {
      spkiDer,
      terms: { notBefore: validity.notBefore, notAfter: validity.notAfter, ...terms, subject },
      ...(allows && { allows }),
    });
  } catch (error) {
    if (error instanceof PkiError) throw new PluginError('refused', `${mismatch}: ${error.message}`);
    throw error;
  }
}

function isAsAsked(parts: CertificateParts, { authority, spkiDer, terms, validity }: AskedHere): boolean {
  const subjectDer = terms.subjectDer ?? encodeSubject(terms.subject);
  return (
    parts.algorithmsAgree &&
    // A negative serial number has a text of its own.
    (parts.serial[0] ?? 0x80) < 0x80 &&
    parts.issuerDer.equals(authority.subjectDer) &&
    parts.spkiDer.equals(spkiDer) &&
    parts.validityDer.equals(encodeValidity(validity.notBefore, validity.notAfter)) &&
    parts.subjectDer.equals(subjectDer) &&
    // The encoding of a country is in upper case, whatever was asked.
    sameFields(subjectFieldsOf(subjectDer), terms.subject) &&
    hasExtensions(parts.extensions, terms)
  );
}

/** Whether the certificate says no more and no less than the terms, besides what every certificate of ours has. */
function hasExtensions(extensions: readonly RawExtension[], terms: TermsWithoutDates): boolean {
  if (terms.found || terms.otherAltNames?.length) return false;
  const facts = extensionFacts(extensions, 'ber');
  const further = extensions.filter(({ oid, critical }) => !critical && !isReservedExtension(oid));
  return (
    facts.unreadableExtensions.length === 0 &&
    facts.otherAltNames.length === 0 &&
    !facts.isCa &&
    facts.pathLength === undefined &&
    facts.subjectKeyIdentifier !== undefined &&
    facts.authorityKeyIdentifier !== undefined &&
    agree(facts.subjectAltNames, terms.subjectAltNames, (a, b) => a.type === b.type && a.value === b.value) &&
    agree(facts.keyUsage, terms.keyUsage, (a, b) => a === b) &&
    agree(facts.extendedKeyUsage, terms.extendedKeyUsage, (a, b) => a === b) &&
    agree(further, terms.extensions, (a, b) => a.oid === b.oid && a.valueDer.equals(b.valueDer))
  );
}

/** Whether the lists have the same members, in any order. A list that repeats one agrees with none. */
function agree<T>(found: readonly T[], asked: readonly T[], same: (a: T, b: T) => boolean): boolean {
  return found.length === asked.length && asked.every((one) => found.filter((other) => same(one, other)).length === 1);
}
