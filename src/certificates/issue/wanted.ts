import type { Config } from '../../platform/config.js';
import { blame } from '../../platform/http/blame.js';
import { invalid } from '../../platform/http/problem.js';
import { resolveKeyType } from '../../pki/key.js';
import { toPem } from '../../pki/pem.js';
import { demandSubject } from '../../authorities/create-authority.js';
import type { SubjectFields } from '../../plugin-api/terms.js';
import type { TermsWithoutDates } from '../terms.js';
import { readCsr, type RequestedCsr, termsOfCsr } from './csr-terms.js';
import { rawExtensionsOf } from './extensions.schema.js';
import type { IssueRequest } from './issue.schema.js';
import { namesOf, purposesOf, usagesOf, withCommonName } from './wanted-members.js';

export type SubjectDefaults = Pick<
  Config,
  'defaultCountry' | 'defaultState' | 'defaultLocation' | 'defaultOrganization' | 'defaultOrganizationalUnit'
>;

/** What a certificate shall say, and for which key: an existing one (from the CSR) or a new one of `keyType`. */
export type Wanted = { terms: TermsWithoutDates } & (
  { csr: RequestedCsr; csrPem: string } | { csr: null; keyType: string }
);

const defaultKeyType = 'ECCPRIME256V1';

/** Reads a request for what it wants certified. Throws Problem `invalid-request`, which names the member at fault. */
export async function wantedOf(request: IssueRequest, defaults: SubjectDefaults): Promise<Wanted> {
  if (request.csr === undefined) return fromFields(request, defaults);
  const csr = await readCsr(request.csr);
  return { csr, csrPem: toPem('CERTIFICATE REQUEST', csr.der), terms: termsOfCsr(csr, request) };
}

function fromFields(request: IssueRequest, defaults: SubjectDefaults): Wanted {
  const keyType = blame('keyType', () => resolveKeyType(request.keyType ?? defaultKeyType));
  const subject = subjectOf(request, defaults);
  demandSubject(subject);
  const names = withCommonName(subject.commonName, namesOf(request));
  if (!subject.commonName && names.length === 0)
    throw invalid('commonName', 'Missing common_name: give it or at least one name.');
  return {
    csr: null,
    keyType,
    terms: {
      subject,
      subjectAltNames: names,
      keyUsage: usagesOf(request, keyType),
      extendedKeyUsage: purposesOf(request),
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
