import { blame } from '../../platform/http/blame.js';
import { invalid } from '../../platform/http/problem.js';
import { type ParsedCsr, parseCsr, verifyCsr } from '../../pki/csr.js';
import { ExtensionOid } from '../../pki/extensions.js';
import { isKeyIdentifierOf, resolveKeyType } from '../../pki/key.js';
import { normaliseSan } from '../../pki/subject-alt-name.js';
import type { RawExtension, SubjectAltName, SubjectFields } from '../../plugin-api/plugin.js';
import type { TermsWithoutDates } from '../terms.js';
import {
  extendedKeyUsageOf,
  extensionFault,
  keyUsageOf,
  maxCustomExtensions,
  maxNames,
  rawExtensionsOf,
  unrequestableUsage,
} from './extensions.schema.js';
import type { IssueRequest } from './issue.schema.js';
import { caUsages, namesOf, purposesOf, usagesOf, withCommonName } from './wanted-members.js';

const withFieldsOfTheirOwn: ReadonlySet<string> = new Set([
  ExtensionOid.subjectAltName,
  ExtensionOid.keyUsage,
  ExtensionOid.extendedKeyUsage,
  ExtensionOid.basicConstraints,
]);

/** The CSR, whose signature has been verified. Throws Problem `invalid-request` that blames `csr`. */
export function readCsr(csrPem: string): Promise<ParsedCsr> {
  return blame('csr', async () => {
    const parsed = parseCsr(csrPem);
    await verifyCsr(parsed);
    return parsed;
  });
}

/**
 * What the CSR asks for, whole or not at all. Members of the request beside it may say the same, or speak where it is
 * silent about usages and further extensions. Throws Problem `invalid-request` that names the member which contradicts
 * it, or `csr`.
 */
export function termsOfCsr(csr: ParsedCsr, request: IssueRequest): TermsWithoutDates {
  demandLeaf(csr);
  const names = withCommonName(
    csr.subjectFields.commonName,
    blame('csr', () => csr.subjectAltNames.map(normaliseSan)),
  );
  if (names.length > maxNames) throw invalid('csr', `A certificate carries at most ${maxNames} names.`);
  if (names.length === 0 && !csr.subjectFields.commonName)
    throw invalid('csr', 'The CSR has neither a common name nor other names.');
  demandAgreement(csr, names, request);
  return {
    subject: csr.subjectFields,
    subjectDer: csr.subjectDer,
    subjectAltNames: names,
    keyUsage: csr.keyUsage.length > 0 ? csr.keyUsage : usagesOf(request, csr.keyType),
    extendedKeyUsage: csr.extendedKeyUsage.length > 0 ? csr.extendedKeyUsage : purposesOf(request),
    extensions: furtherExtensions(csr, rawExtensionsOf(request.extensions)),
  };
}

function demandLeaf(csr: ParsedCsr): void {
  if (csr.isCa || csr.keyUsage.some((usage) => caUsages.includes(usage))) {
    throw invalid('csr', 'The CSR asks for a CA certificate; authorities are made at /authorities.');
  }
  if (/[\p{Cc}\p{Cf}\p{Cs}\ufffd]/u.test(Object.values(csr.subjectFields).join('')))
    throw invalid('csr', 'The subject of the CSR contains control characters.');
  const unwanted = unrequestableUsage(csr.extendedKeyUsage);
  if (unwanted)
    throw invalid('csr', `The CSR asks for the extended key usage ${unwanted}, which is not issued on request.`);
  if (csr.otherAltNames > 0)
    throw invalid(
      'csr',
      'The CSR asks for names of a kind that is not issued here, such as otherName or directoryName.',
    );
}

function demandAgreement(csr: ParsedCsr, names: readonly SubjectAltName[], request: IssueRequest): void {
  for (const field of [
    'commonName',
    'country',
    'state',
    'location',
    'organization',
    'organizationalUnit',
  ] as const satisfies (keyof SubjectFields)[]) {
    const [asked, said] = [request[field], csr.subjectFields[field] ?? ''];
    if (
      asked !== undefined &&
      asked !== said &&
      !(field === 'commonName' && asked.toLowerCase() === said.toLowerCase())
    ) {
      throw invalid(field, said === '' ? 'The subject of the CSR has no such part.' : `The CSR says "${said}".`);
    }
  }
  if (request.keyType !== undefined && blame('keyType', () => resolveKeyType(request.keyType ?? '')) !== csr.keyType) {
    throw invalid('keyType', `The key of the CSR is ${csr.keyType}.`);
  }
  const { extensions } = request;
  if (!extensions) return;
  const spelled = (all: readonly SubjectAltName[]): string[] => all.map(({ type, value }) => `${type}:${value}`);
  const wanted = namesOf(request);
  if (wanted.length > 0)
    demandSame('subAltNames', spelled(withCommonName(csr.subjectFields.commonName, wanted)), spelled(names));
  if (csr.keyUsage.length > 0) demandSame('keyUsage', keyUsageOf(extensions, csr.keyUsage), csr.keyUsage);
  if (csr.extendedKeyUsage.length > 0)
    demandSame('extendedKeyUsage', extendedKeyUsageOf(extensions, csr.extendedKeyUsage), csr.extendedKeyUsage);
}

function demandSame(member: string, asked: readonly string[], ofCsr: readonly string[]): void {
  if (asked.every((one) => ofCsr.includes(one)) && ofCsr.every((one) => asked.includes(one))) return;
  throw invalid(`extensions.${member}`, `The CSR asks for others: ${ofCsr.slice(0, 20).join(', ')}.`);
}

/** Those of the CSR that have no field of their own, then those of the request that are not among them. */
function furtherExtensions(csr: ParsedCsr, asked: RawExtension[]): RawExtension[] {
  const ofCsr = csr.extensions.filter((one) => !withFieldsOfTheirOwn.has(one.oid) && !isOwnKeyIdentifier(csr, one));
  if (ofCsr.length === 0) return asked;
  for (const extension of ofCsr) {
    const fault = extensionFault(extension);
    if (fault) throw invalid('csr', `The CSR asks for the extension ${extension.oid}. ${fault}`);
    const beside = asked.find(({ oid }) => oid === extension.oid);
    if (beside && !beside.valueDer.equals(extension.valueDer))
      throw invalid('extensions.custom', `The CSR asks for ${extension.oid} with another value.`);
  }
  const all = [...ofCsr, ...asked.filter(({ oid }) => ofCsr.every((one) => one.oid !== oid))];
  if (all.length > maxCustomExtensions)
    throw invalid('csr', `A certificate carries at most ${maxCustomExtensions} extensions of other kinds.`);
  return all;
}

/** Every certificate gets an identifier of its key anyway; one that is made of something else would be ignored. */
function isOwnKeyIdentifier({ subjectKeyIdentifier = '', spkiDer }: ParsedCsr, { oid }: RawExtension): boolean {
  return oid === ExtensionOid.subjectKeyIdentifier && isKeyIdentifierOf(subjectKeyIdentifier, spkiDer);
}
