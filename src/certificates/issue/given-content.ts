import { encodeName } from '../../pki/names.js';
import * as der from '../../pki/der/writer.js';
import { ExtensionOid } from '../../pki/extensions.js';
import { PkiError } from '../../pki/pki-error.js';
import { blame } from '../../platform/http/blame.js';
import type { KeyUsage, RawExtension, SubjectAltName } from '../../plugin-api/terms.js';
import { type RequestedCsr, withSubject } from './csr-terms.js';

/** What a request wants in a certificate, beside a CSR of which only the key counts. */
export interface GivenContent {
  /** DN, DER. */
  subjectDer: Buffer;
  subjectAltNames: readonly SubjectAltName[];
  /** Empty: the usual ones, or those of the profile. */
  keyUsage: readonly KeyUsage[];
  /** OIDs in dotted form; empty as for `keyUsage`. */
  extendedKeyUsage: readonly string[];
  extensions: readonly RawExtension[];
}

/**
 * The DN of these attributes in their order, one in each part. Throws Problem `invalid-request` that blames
 * `FIELD.INDEX.oid`; what an attribute may hold is checked by `withContent`.
 */
export function subjectOfAttributes(attributes: readonly { oid: string; value: string }[], field: string): Buffer {
  attributes.forEach(({ oid }, i) => blame(`${field}.${i}.oid`, () => demandOid(oid)));
  return encodeName(attributes.map(({ oid, value }) => [{ oid, text: value, der: der.utf8String(value) }]));
}

function demandOid(oid: string): void {
  try {
    der.oid(oid);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new PkiError('bad-name', 'Expected an object identifier such as 2.5.4.3');
  }
}

/**
 * The CSR with this content in place of all that it asks for. Only when it asks for the same itself, an issuer that
 * reads the CSR can take it. Throws Problem `invalid-request` on `subject`.
 */
export function withContent(csr: RequestedCsr, content: GivenContent): RequestedCsr {
  const changed = blame('subject', () => withSubject(csr, content.subjectDer));
  return {
    ...changed,
    isOverridden: !changed.subjectDer.equals(csr.subjectDer) || !asksFor(csr, content),
    subjectAltNames: [...content.subjectAltNames],
    otherAltNames: [],
    keyUsage: [...content.keyUsage],
    extendedKeyUsage: [...content.extendedKeyUsage],
    extensions: [...content.extensions],
    isCa: false,
  };
}

/** Extensions that content speaks for, and the identifier of the key. */
const spokenFor: ReadonlySet<string> = new Set([
  ExtensionOid.subjectAltName,
  ExtensionOid.keyUsage,
  ExtensionOid.extendedKeyUsage,
  ExtensionOid.subjectKeyIdentifier,
]);

/** Whether the CSR asks for these names, for these usages or none, and for nothing else. */
function asksFor(csr: RequestedCsr, { subjectAltNames, keyUsage, extendedKeyUsage }: GivenContent): boolean {
  const spelled = (names: readonly SubjectAltName[]): string[] =>
    names.map(({ type, value }) => `${type}:${value.toLowerCase()}`);
  return (
    isSameSet(spelled(csr.subjectAltNames), spelled(subjectAltNames)) &&
    (csr.keyUsage.length === 0 || isSameSet(csr.keyUsage, keyUsage)) &&
    (csr.extendedKeyUsage.length === 0 || isSameSet(csr.extendedKeyUsage, extendedKeyUsage)) &&
    csr.otherAltNames.length === 0 &&
    csr.extensions.every(({ oid }) => spokenFor.has(oid))
  );
}

function isSameSet(some: readonly string[], others: readonly string[]): boolean {
  return some.every((one) => others.includes(one)) && others.every((one) => some.includes(one));
}
