import * as extensions from '../pki/extensions.js';
import { commonNamesOf, readName } from '../pki/names.js';
import type { IssuerExtension, RawExtension } from '../plugin-api/terms.js';
import type { Asked, AskedTerms, Judged, Violation } from './asked-terms.js';
import { judgeNames } from './name-rules.js';
import type { ProfileRules } from './profile-rules.schema.js';
import { judgeSubject } from './subject-rules.js';
import { judgeExtendedKeyUsage, judgeKeyUsage } from './usage-rules.js';

/** The terms that a profile makes of a request, and all rules that the request breaks. A pure function. */
export function judge(rules: ProfileRules, asked: Asked): Judged<AskedTerms> {
  const subject = judgeSubject(rules, asked);
  const keyUsage = judgeKeyUsage(rules, asked);
  const purposes = judgeExtendedKeyUsage(rules, asked);
  const { subject: members, subjectDer } = subject.value;
  const commonNames = subjectDer ? commonNamesOf(readName(subjectDer)) : [members.commonName ?? ''];
  const names = judgeNames(rules, commonNames, asked);
  return {
    value: {
      ...subject.value,
      keyUsage: keyUsage.value,
      extendedKeyUsage: purposes.value,
      subjectAltNames: names.value,
      extensions: asked.terms.extensions,
    },
    violations: [
      ...kindOf(rules),
      ...keepingOf(rules, asked),
      ...keyOf(rules, asked),
      ...[subject, names, keyUsage, purposes].flatMap(({ violations }) => violations),
      ...extensionsOf(rules, asked),
    ],
  };
}

function kindOf({ isCa }: ProfileRules): Violation[] {
  return isCa
    ? [{ field: 'profile', text: 'It is for certificates of authorities; choose a profile for other certificates.' }]
    : [];
}

function keepingOf({ stored = true }: ProfileRules, { isStored }: Asked): Violation[] {
  if (stored === isStored) return [];
  const text = stored
    ? 'Its certificates are stored: POST /authorities/{id}/sign issues them.'
    : 'Its certificates are not stored: POST /authorities/{id}/sign-unstored issues them.';
  return [{ field: 'profile', text }];
}

function keyOf({ keyTypes }: ProfileRules, { keyType, fromCsr }: Asked): Violation[] {
  if (!keyTypes || (keyTypes as readonly string[]).includes(keyType)) return [];
  return [{ field: fromCsr ? 'csr' : 'keyType', text: `${keyType} keys are not allowed; use ${keyTypes.join(', ')}.` }];
}

function extensionsOf({ extensions: allowed }: ProfileRules, { terms, fromCsr }: Asked): Violation[] {
  if (!allowed) return [];
  return terms.extensions
    .filter(({ oid }) => !allowed.includes(oid))
    .map(({ oid }) => ({
      field: fromCsr ? 'csr' : 'extensions.custom',
      text: `The extension ${oid} is not allowed.`,
    }));
}

/**
 * What an issuer that follows profiles writes beside the terms: `extensions`, and `leaveOut`, which of its own it
 * leaves out for them. `wished`: extensions that the request wants left out.
 */
export function extensionsByProfile(
  rules: ProfileRules,
  wished: readonly IssuerExtension[] = [],
): { extensions: RawExtension[]; leaveOut: IssuerExtension[] } {
  const { policies, crlDistributionPoints: crl, ocsp = [], caIssuers = [], noRevocation, ocspNoCheck } = rules;
  const hasAccess = rules.ocsp !== undefined || rules.caIssuers !== undefined || noRevocation === true;
  const leaveOut: IssuerExtension[] = [
    ...(policies ? ['certificatePolicies' as const] : []),
    ...(crl || noRevocation ? ['crlDistributionPoints' as const] : []),
    ...(hasAccess ? ['authorityInfoAccess' as const] : []),
  ];
  return {
    leaveOut: [...new Set([...wished, ...leaveOut])],
    extensions: [
      ...(policies && policies.length > 0 ? [extensions.certificatePolicies(policies)] : []),
      ...(crl && crl.length > 0 && !wished.includes('crlDistributionPoints')
        ? [extensions.crlDistributionPoints(crl)]
        : []),
      ...(ocsp.length + caIssuers.length > 0 && !wished.includes('authorityInfoAccess')
        ? [extensions.authorityInfoAccess({ ocsp, caIssuers })]
        : []),
      ...(noRevocation ? [extensions.noRevAvail()] : []),
      ...(ocspNoCheck ? [extensions.ocspNoCheck()] : []),
    ],
  };
}
