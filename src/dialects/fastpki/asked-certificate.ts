import { type RequestedCsr, overriddenCsr, readCsr, withSubject } from '../../certificates/issue/csr-terms.js';
import { IssueRequest } from '../../certificates/issue/issue.schema.js';
import { parseDn } from '../../pki/dn-text.js';
import { commonNamesOf, type Name } from '../../pki/names.js';
import { normaliseSan } from '../../pki/subject-alt-name.js';
import { blame } from '../../platform/http/blame.js';
import { validate } from '../../platform/http/validate.js';
import type { SanType, SubjectAltName } from '../../plugin-api/terms.js';
import type { AskedNames, CertificateCreate, CertificateType, SignCsr } from './certificate.schema.js';
import { refusal } from './fast-api-error.js';

// What a request of FastPKI asks to be in a certificate.

const profiles: Readonly<Record<Exclude<CertificateType, 'ca'>, string>> = {
  server: 'server',
  client: 'client',
  dual_purpose: 'dual-purpose',
};
const defaultKeySize = 2048;

/** Who gets the certificate, and from which authority. */
interface Parties {
  owner: string;
  caId: number;
}

/** A request for a key that is made here. Throws Problem `invalid-request`. */
export function certificateAsked(
  body: CertificateCreate,
  parties: Parties,
): { request: IssueRequest; subjectDer: Buffer } {
  const { der: subjectDer, name } = blame('subjectDn', () => parseDn(body.subjectDn));
  demandAgreement(name, body.commonName);
  const names = namesOf(body).map(({ type, value }) => ({ nameType: nameTypes[type], value }));
  const request = validate(IssueRequest, {
    ...common(body, parties),
    keyType: `RSA${body.keySize ?? defaultKeySize}`,
    ...(names.length > 0 && { extensions: { subAltNames: { names } } }),
  });
  return { request, subjectDer };
}

/**
 * A request for the key of a CSR. Each member that names the subject, or names of one kind, takes the place of what the
 * CSR says of it. Throws Problem `invalid-request`.
 */
export async function csrAsked(body: SignCsr, parties: Parties): Promise<{ request: IssueRequest; csr: RequestedCsr }> {
  const { csr: csrPem, commonName, subjectDn } = body;
  const request = validate(IssueRequest, {
    ...common(body, parties),
    csr: csrPem,
    ...(commonName != null && subjectDn == null && { commonName }),
  });
  const csr = overriddenCsr(await readCsr(csrPem), request);
  return { request, csr: withNames(subjectDn == null ? csr : withDn(csr, subjectDn, commonName), body) };
}

function withDn(csr: RequestedCsr, subjectDn: string, commonName: string | null | undefined): RequestedCsr {
  const { der, name } = blame('subjectDn', () => parseDn(subjectDn));
  if (commonName != null) demandAgreement(name, commonName);
  return withSubject(csr, der);
}

function withNames(csr: RequestedCsr, body: AskedNames): RequestedCsr {
  const replaced: SanType[] = kinds.filter(([member]) => body[member] != null).map(([, type]) => type);
  if (replaced.length === 0) return csr;
  const kept = csr.subjectAltNames.filter(({ type }) => !replaced.includes(type));
  return { ...csr, isOverridden: true, subjectAltNames: [...kept, ...namesOf(body)] };
}

const kinds = [
  ['sanDnsNames', 'dns'],
  ['sanIpAddresses', 'ip'],
  ['sanEmailAddresses', 'email'],
] as const satisfies readonly [keyof AskedNames, SanType][];
const nameTypes: Readonly<Partial<Record<SanType, string>>> = {
  dns: 'DNSName',
  ip: 'IPAddress',
  email: 'rfc822Name',
};

function namesOf(body: AskedNames): SubjectAltName[] {
  return kinds.flatMap(([member, type]) =>
    (body[member] ?? []).map((value) => blame(member, () => normaliseSan({ type, value }))),
  );
}

function common(
  { certificateType, validDays }: Pick<CertificateCreate, 'certificateType' | 'validDays'>,
  { owner, caId }: Parties,
): object {
  if (certificateType === 'ca')
    throw refusal(
      'CA certificates are not issued here. Make a CA below this one: POST /api/v1/cas/ with parent_ca_id.',
    );
  return {
    owner,
    authority: { id: caId },
    profile: { name: profiles[certificateType] },
    ...(validDays != null && { validityDays: validDays }),
  };
}

function demandAgreement(name: Name, commonName: string): void {
  const commonNames = commonNamesOf(name);
  if (commonNames.some((one) => one.toLowerCase() === commonName.toLowerCase())) return;
  const [found] = commonNames;
  throw refusal(
    found !== undefined
      ? `subject_dn has the common name ${found}, and common_name is ${commonName}.`
      : `subject_dn has no common name: add CN=${commonName}.`,
  );
}
