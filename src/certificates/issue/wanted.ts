import type { Config } from '../../platform/config.js';
import { blame } from '../../platform/http/blame.js';
import { invalid } from '../../platform/http/problem.js';
import { type ParsedCsr, parseCsr, verifyCsr } from '../../pki/csr.js';
import { resolveKeyType } from '../../pki/key.js';
import { demandSubject } from '../../authorities/subject.js';
import { normaliseSan } from '../../pki/subject-alt-name.js';
import type { KeyUsage, SubjectAltName, SubjectFields } from '../../plugin-api/plugin.js';
import type { TermsWithoutDates } from '../terms.js';
import { extendedKeyUsageOf, keyUsageOf, maxNames, rawExtensionsOf, sansOf } from './extensions.schema.js';
import type { IssueRequest } from './issue.schema.js';

export type SubjectDefaults = Pick<Config,
  'defaultCountry' | 'defaultState' | 'defaultLocation' | 'defaultOrganization' | 'defaultOrganizationalUnit'>;

/** What a certificate shall say, and for which key: an existing one (from the CSR) or a new one of `keyType`. */
export type Wanted = { terms: TermsWithoutDates } & ({ csr: ParsedCsr; csrPem: string } | { csr: null; keyType: string });

const defaultKeyType = 'ECCPRIME256V1';
const serverAuthentication = '1.3.6.1.5.5.7.3.1';
/** anyExtendedKeyUsage and OCSPSigning: either would let the subject vouch for certificates of its own authority (RFC 6960 §4.2.2.2). */
const neverOnRequest: ReadonlySet<string> = new Set(['2.5.29.37.0', '1.3.6.1.5.5.7.3.9']);
const caUsages: readonly KeyUsage[] = ['keyCertSign', 'cRLSign'];

/** Reads a request for what it wants certified. Throws Problem `invalid-request`, which names the member at fault. */
export async function wantedOf(request: IssueRequest, defaults: SubjectDefaults): Promise<Wanted> {
  return request.csr === undefined ? fromFields(request, defaults) : fromCsr(request.csr, request);
}

function fromFields(request: IssueRequest, defaults: SubjectDefaults): Wanted {
  const keyType = blame('keyType', () => resolveKeyType(request.keyType ?? defaultKeyType));
  const subject = subjectOf(request, defaults);
  demandSubject(subject);
  const names = withCommonName(subject.commonName, namesOf(request));
  if (!subject.commonName && names.length === 0) throw invalid('commonName', 'Missing common_name: give it or at least one name.');
  return {
    csr: null,
    keyType,
    terms: {
      subject,
      subjectAltNames: names,
      keyUsage: usagesOf(request, keyType),
      extendedKeyUsage: extendedKeyUsageOf(request.extensions) ?? [serverAuthentication],
      extensions: rawExtensionsOf(request.extensions),
    },
  };
}

async function fromCsr(csrPem: string, request: IssueRequest): Promise<Wanted> {
  const csr = await blame('csr', async () => {
    const parsed = parseCsr(csrPem);
    await verifyCsr(parsed);
    return parsed;
  });
  if (csr.isCa || csr.keyUsage.some((usage) => caUsages.includes(usage))) {
    throw invalid('csr', 'The CSR asks for a CA certificate; authorities are made at /authorities.');
  }
  if (/[\p{Cc}\p{Cf}\p{Cs}\ufffd]/u.test(Object.values(csr.subjectFields).join(''))) throw invalid('csr', 'The subject of the CSR contains control characters.');
  const unwanted = csr.extendedKeyUsage.find((oid) => neverOnRequest.has(oid));
  if (unwanted) throw invalid('csr', `The CSR asks for the extended key usage ${unwanted}, which is not issued on request.`);
  if (csr.otherAltNames > 0) throw invalid('csr', 'The CSR asks for names of a kind that is not issued here, such as otherName or directoryName.');
  const names = withCommonName(csr.subjectFields.commonName, blame('csr', () => csr.subjectAltNames.map(normaliseSan)));
  if (names.length > maxNames) throw invalid('csr', `A certificate carries at most ${maxNames} names.`);
  if (names.length === 0 && !csr.subjectFields.commonName) throw invalid('csr', 'The CSR has neither a common name nor other names.');
  return {
    csr,
    csrPem,
    terms: {
      subject: csr.subjectFields,
      subjectDer: csr.subjectDer,
      subjectAltNames: names,
      keyUsage: csr.keyUsage.length > 0 ? csr.keyUsage : usagesOf(request, csr.keyType),
      extendedKeyUsage: csr.extendedKeyUsage.length > 0 ? csr.extendedKeyUsage : extendedKeyUsageOf(request.extensions) ?? [serverAuthentication],
      extensions: rawExtensionsOf(request.extensions),
    },
  };
}

/** Given members win; an empty text leaves even the default out. */
function subjectOf(request: IssueRequest, defaults: SubjectDefaults): SubjectFields {
  const entries: [keyof SubjectFields, string | undefined][] = [
    ['commonName', request.commonName],
    ['country', request.country ?? defaults.defaultCountry],
    ['state', request.state ?? defaults.defaultState],
    ['location', request.location ?? defaults.defaultLocation],
    ['organization', request.organization ?? defaults.defaultOrganization],
    ['organizationalUnit', request.organizationalUnit ?? defaults.defaultOrganizationalUnit],
  ];
  return Object.fromEntries(entries.filter(([, value]) => value));
}

function namesOf(request: IssueRequest): SubjectAltName[] {
  return sansOf(request.extensions).map((san, index) => blame(`extensions.subAltNames.names.${index}.value`, () => normaliseSan(san)));
}

/** A common name that looks like a host or address is a name like the others: clients look only there (RFC 9525 §6.3). */
function withCommonName(commonName: string | undefined, names: readonly SubjectAltName[]): SubjectAltName[] {
  if (!commonName || /\s/.test(commonName)) return unique(names);
  for (const type of ['ip', 'dns'] as const) {
    try {
      return unique([normaliseSan({ type, value: commonName }), ...names]);
    } catch {
      // Not a name of this type: a person's or a product's name stays in the subject only.
    }
  }
  return unique(names);
}

function unique(names: readonly SubjectAltName[]): SubjectAltName[] {
  return [...new Map(names.map((name) => [`${name.type}:${name.value}`, name])).values()];
}

function usagesOf(request: IssueRequest, keyType: string): KeyUsage[] {
  const asked = keyUsageOf(request.extensions);
  if (asked?.some((usage) => caUsages.includes(usage))) {
    throw invalid('extensions.keyUsage', 'Only an authority signs certificates and CRLs; authorities are made at /authorities.');
  }
  return asked ?? (keyType.startsWith('RSA') ? ['digitalSignature', 'keyEncipherment'] : ['digitalSignature']);
}
