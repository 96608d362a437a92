import { blame } from '../../platform/http/blame.js';
import { Faults, type FaultSink, refuseAtOnce } from '../../platform/http/faults.js';
import { invalid } from '../../platform/http/problem.js';
import { type CsrParts, csrParts, type ParsedCsr, verifyCsr } from '../../pki/csr.js';
import { extendedKeyUsage as encodeUsages, ExtensionOid } from '../../pki/extensions.js';
import { canonicalSpki, isKeyIdentifierOf, resolveKeyType } from '../../pki/key.js';
import {
  commonNamesOf,
  encodeName,
  encodeSubject,
  fieldsOf,
  formatName,
  type NameAttribute,
  readName,
} from '../../pki/names.js';
import { PkiError } from '../../pki/pki-error.js';
import { rebuildName } from '../../pki/requested-name.js';
import { normaliseNewSan } from '../../pki/subject-alt-name.js';
import type { RawExtension, SubjectAltName, SubjectFields } from '../../plugin-api/terms.js';
import type { Implied } from '../../profiles/asked-terms.js';
import { caUsages, type TermsWithoutDates } from '../terms.js';
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
import { impliedUsages, namesOf, purposesOf, usagesOf, withCommonNames, without } from './request-members.js';

// Reads a CSR, checks it, and makes the terms of a certificate from it.

const subjectMembers = [
  'commonName',
  'country',
  'state',
  'location',
  'organization',
  'organizationalUnit',
] as const satisfies (keyof SubjectFields)[];
/** CSR attributes that change nothing in a certificate: passwords, unstructured names, details of a Windows client. */
const harmlessAttributes: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.9.2',
  '1.2.840.113549.1.9.7',
  '1.3.6.1.4.1.311.13.2.2',
  '1.3.6.1.4.1.311.13.2.3',
  '1.3.6.1.4.1.311.21.20',
]);
/** Extensions of a CSR that are read into their own members of the terms. */
const withFieldsOfTheirOwn: ReadonlySet<string> = new Set([
  ExtensionOid.subjectAltName,
  ExtensionOid.keyUsage,
  ExtensionOid.extendedKeyUsage,
  ExtensionOid.basicConstraints,
]);

/** A verified CSR. Its subject and key are re-encoded from their parsed values. */
export interface RequestedCsr extends ParsedCsr {
  commonNames: string[];
  /** True when the re-encoded subject and key equal those in the CSR, so that an issuer reads the same from it. */
  isExact: boolean;
  /** True when its key is strong and has signed it. */
  isProven: boolean;
  /** True when the request overrides its subject or names. */
  isOverridden?: boolean;
}

/**
 * Parses a CSR, verifies its signature, and re-encodes its subject by RFC 5280. `faults` takes a weak key, a wrong
 * signature and an improper subject; the rest of the CSR is then read all the same. Throws Problem `invalid-request`
 * that blames `csr`, also when `faults` collects, for a CSR that cannot be parsed.
 */
export async function readCsr(csrPem: string, faults: FaultSink = refuseAtOnce): Promise<RequestedCsr> {
  const parsed = blame('csr', () => csrParts(csrPem));
  const provenSpkiDer = await provenKey(parsed, faults);
  const spkiDer = provenSpkiDer ?? parsed.spkiDer;
  const {
    name,
    der: subjectDer,
    isProper,
  } = faults.keep(() => blame('csr', () => rebuildName(parsed.subjectDer)), null) ?? {
    name: blame('csr', () => readName(parsed.subjectDer)),
    der: parsed.subjectDer,
    isProper: false,
  };
  return {
    commonNames: commonNamesOf(name),
    isExact: isProper && spkiDer.equals(parsed.spkiDer),
    isProven: provenSpkiDer !== null,
    ...parsed,
    subjectDer,
    subject: formatName(name),
    subjectFields: fieldsOf(name),
    spkiDer,
  };
}

/** The key as RFC 3279 and RFC 5480 encode it; null when `faults` takes a weak key or a wrong signature. */
async function provenKey(csr: CsrParts, faults: FaultSink): Promise<Buffer | null> {
  try {
    return canonicalSpki(csr.spkiDer, await verifyCsr(csr));
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    faults.add('csr', error.message);
    return null;
  }
}

/**
 * For an issuer that reads the CSR itself: demands that the CSR contains exactly what was parsed here. Throws Problem
 * `invalid-request` that blames `csr`.
 */
export function demandExact({ isExact, isOverridden, otherAttributes }: RequestedCsr): void {
  if (isOverridden)
    throw invalid(
      'csr',
      'This issuer reads the CSR itself: the request cannot give it another subject or other names.',
    );
  if (!isExact)
    throw invalid(
      'csr',
      'The subject or the key of the CSR is not encoded as RFC 5280 and RFC 3279 have it; this issuer reads the CSR ' +
        'itself and needs a proper one.',
    );
  const unknown = otherAttributes.find((oid) => !harmlessAttributes.has(oid));
  if (unknown !== undefined)
    throw invalid('csr', `The CSR has the attribute ${unknown}, which could tell the issuer what is not checked here.`);
}

/**
 * The terms that a CSR requests; nothing of it is dropped. Other members of the request may repeat them, or add usages
 * and extensions that the CSR lacks. `faults` takes the members that contradict the CSR, and what it must not ask for.
 */
export function termsOfCsr(
  csr: RequestedCsr,
  request: IssueRequest,
  faults: FaultSink = refuseAtOnce,
): TermsWithoutDates {
  demandLeaf(csr, faults);
  const names = withCommonNames(csr.commonNames, namesOfCsr(csr, faults));
  if (names.length > maxNames) faults.add('csr', `A certificate carries at most ${maxNames} names.`);
  if (csr.subjectAltNames.length === 0 && names.length === 0 && !csr.subjectFields.commonName)
    faults.add('csr', 'The CSR has neither a common name nor other names.');
  demandNoContradiction(csr, names, { request, faults });
  return {
    subject: csr.subjectFields,
    subjectDer: csr.subjectDer,
    subjectAltNames: names,
    keyUsage: csr.keyUsage.length > 0 ? csr.keyUsage : usagesOf(request, csr.keyType, faults),
    extendedKeyUsage: csr.extendedKeyUsage.length > 0 ? csr.extendedKeyUsage : purposesOf(request),
    extensions: furtherExtensions(csr, rawExtensionsOf(request.extensions), faults),
  };
}

/**
 * The CSR with the subject and the names of the request in place of its own. An empty text leaves a member of the
 * subject out; attributes that no member names stay. `faults` takes members that a subject cannot hold.
 */
export function overriddenCsr(
  csr: RequestedCsr,
  request: IssueRequest,
  faults: FaultSink = refuseAtOnce,
): RequestedCsr {
  const given = subjectMembers.filter((member) => request[member] !== undefined);
  const asked = namesOf(request, faults);
  if (given.length === 0 && asked.length === 0) return csr;
  const sound = given.filter((member) => {
    const alone = { [member]: request[member] };
    return faults.keep(() => blame(member, () => rebuildName(encodeSubject(alone))), null) !== null;
  });
  const wanted: SubjectFields = Object.fromEntries(sound.map((member) => [member, request[member]]));
  const isKept = (attribute: NameAttribute): boolean => given.every((member) => !(member in fieldsOf([[attribute]])));
  const kept = readName(csr.subjectDer).map((attributes) => attributes.filter(isKept));
  const nameDer = encodeName([...kept, ...readName(encodeSubject(wanted))]);
  return {
    ...faults.keep(() => blame('csr', () => withSubject(csr, nameDer)), csr),
    ...(asked.length > 0 && { subjectAltNames: asked, otherAltNames: [] }),
  };
}

/** The CSR with this DN as its subject. Throws PkiError `bad-name`. */
export function withSubject(csr: RequestedCsr, nameDer: Buffer): RequestedCsr {
  const { name, der: subjectDer } = rebuildName(nameDer);
  return {
    ...csr,
    isOverridden: true,
    subjectDer,
    subject: formatName(name),
    subjectFields: fieldsOf(name),
    commonNames: commonNamesOf(name),
  };
}

/** The request without what `overriddenCsr` takes from it. */
export function withoutOverrides({ extensions, ...request }: IssueRequest): IssueRequest {
  const rest = Object.fromEntries(subjectMembers.map((member) => [member, undefined]));
  return { ...request, ...rest, extensions: extensions && { ...extensions, subAltNames: undefined } };
}

/** The parts of `termsOfCsr` that neither the CSR nor the request asks for. */
export function impliedByCsr(csr: RequestedCsr, request: IssueRequest): Implied {
  // What is no name has been refused already.
  const refused = new Faults();
  const asked = [...namesOfCsr(csr, refused), ...namesOf(request, refused)];
  const usages = impliedUsages(request);
  return {
    subject: [],
    subjectAltNames: without(withCommonNames(csr.commonNames, []), asked),
    keyUsage: csr.keyUsage.length === 0 && usages.keyUsage,
    extendedKeyUsage: csr.extendedKeyUsage.length === 0 && usages.extendedKeyUsage,
  };
}

/**
 * Normalises a name of the CSR. An IA5String holds ASCII (RFC 5280 §4.2.1.6); other octets have an unknown charset, so
 * the name is refused. Throws PkiError `bad-name`.
 */
function normaliseAscii({ type, value }: SubjectAltName): SubjectAltName {
  if (/^[\x20-\x7e]*$/.test(value)) return normaliseNewSan({ type, value });
  throw new PkiError(
    'bad-name',
    `The ${type} name "${value.slice(0, 100)}" is not ASCII; write a domain in punycode, as xn--bcher-kva.example`,
  );
}

/** Its names, normalised; `faults` takes the others. */
function namesOfCsr({ subjectAltNames }: RequestedCsr, faults: FaultSink): SubjectAltName[] {
  return subjectAltNames.flatMap((name) => faults.keep(() => blame('csr', () => [normaliseAscii(name)]), []));
}

function demandLeaf(csr: RequestedCsr, faults: FaultSink): void {
  if (csr.isCa || csr.keyUsage.some((usage) => caUsages.includes(usage)))
    faults.add('csr', 'The CSR asks for a CA certificate; authorities are made at /authorities.');
  faults.keep(() => blame('csr', () => encodeUsages(csr.extendedKeyUsage)), undefined);
  const unwanted = unrequestableUsage(csr.extendedKeyUsage);
  if (unwanted)
    faults.add('csr', `The CSR asks for the extended key usage ${unwanted}, which is not issued on request.`);
  if (csr.otherAltNames.length > 0)
    faults.add('csr', 'The CSR asks for names of a kind that is not issued here, such as otherName or directoryName.');
}

/** What a request says besides its CSR, and what takes its contradictions. */
interface Beside {
  request: IssueRequest;
  faults: FaultSink;
}

function demandNoContradiction(csr: RequestedCsr, names: readonly SubjectAltName[], { request, faults }: Beside): void {
  for (const field of subjectMembers) {
    const [asked, said] = [request[field], csr.subjectFields[field] ?? ''];
    if (
      asked !== undefined &&
      asked !== said &&
      !(field === 'commonName' && asked.toLowerCase() === said.toLowerCase())
    ) {
      faults.add(field, said === '' ? 'The subject of the CSR has no such part.' : `The CSR says "${said}".`);
    }
  }
  const { extensions, keyType } = request;
  if (
    keyType !== undefined &&
    faults.keep(() => blame('keyType', () => resolveKeyType(keyType)), csr.keyType) !== csr.keyType
  ) {
    faults.add('keyType', `The key of the CSR is ${csr.keyType}.`);
  }
  if (!extensions) return;
  const demandSame = (member: string, asked: readonly string[], ofCsr: readonly string[]): void => {
    if (asked.every((one) => ofCsr.includes(one)) && ofCsr.every((one) => asked.includes(one))) return;
    faults.add(`extensions.${member}`, `The CSR asks for others: ${ofCsr.slice(0, 20).join(', ')}.`);
  };
  const spelled = (all: readonly SubjectAltName[]): string[] => all.map(({ type, value }) => `${type}:${value}`);
  const wanted = namesOf(request, faults);
  if (wanted.length > 0) demandSame('subAltNames', spelled(withCommonNames(csr.commonNames, wanted)), spelled(names));
  if (csr.keyUsage.length > 0) demandSame('keyUsage', keyUsageOf(extensions, csr.keyUsage), csr.keyUsage);
  if (csr.extendedKeyUsage.length > 0)
    demandSame('extendedKeyUsage', extendedKeyUsageOf(extensions, csr.extendedKeyUsage), csr.extendedKeyUsage);
}

/** The extensions of the CSR without their own member in the terms, then the other extensions of the request. */
function furtherExtensions(csr: ParsedCsr, asked: RawExtension[], faults: FaultSink): RawExtension[] {
  const ofCsr = csr.extensions.filter((one) => !withFieldsOfTheirOwn.has(one.oid) && !isOwnKeyIdentifier(csr, one));
  if (ofCsr.length === 0) return asked;
  for (const extension of ofCsr) {
    const fault = extensionFault(extension);
    if (fault) faults.add('csr', `The CSR asks for the extension ${extension.oid}. ${fault}`);
    const beside = asked.find(({ oid }) => oid === extension.oid);
    if (beside && !beside.valueDer.equals(extension.valueDer))
      faults.add('extensions.custom', `The CSR asks for ${extension.oid} with another value.`);
  }
  const all = [...ofCsr, ...asked.filter(({ oid }) => ofCsr.every((one) => one.oid !== oid))];
  if (all.length > maxCustomExtensions)
    faults.add('csr', `A certificate carries at most ${maxCustomExtensions} extensions of other kinds.`);
  return all;
}

/** True for the identifier of the CSR's own key. Every certificate gets it anyway, so that it need not be requested. */
function isOwnKeyIdentifier({ subjectKeyIdentifier = '', spkiDer }: ParsedCsr, { oid }: RawExtension): boolean {
  return oid === ExtensionOid.subjectKeyIdentifier && isKeyIdentifierOf(subjectKeyIdentifier, spkiDer);
}
