import { DerError, DerReader, Tag } from '../der/reader.js';
import { REVOCATION_REASONS } from '../distribution-points.js';
import { OcspOid } from '../ocsp-request.js';
import { PkiError } from '../pki-error.js';
import { type LintedTime, readTime } from './linted-certificate.js';
import { type LintedOcsp, readResponseData } from './linted-ocsp.js';
import { type LintFinding, repeated, sentenceOf } from './lint.js';

/** What an OCSP response must agree with. */
export interface OcspAsked {
  /** The CertIDs of the request in DER, in order. */
  certIds: readonly Buffer[];
  /** The nonce of the request; null when it has none. */
  nonce: Buffer | null;
  /** SHA-1 of the public key that signs: of the bits alone, without algorithm. */
  keyHash: Buffer;
}

interface OcspRule {
  name: string;
  source: string;
  demands: string;
}
interface OcspLint extends OcspRule {
  isBroken: (response: LintedOcsp, asked: OcspAsked) => boolean;
}

const rule = (name: string, source: string, demands: string, isBroken: OcspLint['isBroken']): OcspLint => {
  return { name, source, demands, isBroken };
};

const readable = rule('ocsp-structure', 'RFC 6960 §4.2.1, X.690 §10', 'It is a ResponseData in DER.', () => false);

/** Every rule on OCSP responses. */
export const ocspLints: readonly OcspLint[] = [
  readable,
  rule('ocsp-version-1', 'RFC 6960 §4.2.1, X.690 §11.5', 'The version is 1, which is left out.', (response) => {
    return response.writesVersion;
  }),
  rule(
    'ocsp-responder-key',
    'RFC 6960 §4.2.1',
    'The responder is named by the SHA-1 hash of the key that signs.',
    ({ keyHash }, asked) => keyHash === null || !keyHash.equals(asked.keyHash),
  ),
  rule(
    'ocsp-time-form',
    'RFC 6960 §4.2.2.1, RFC 5280 §4.1.2.5.2',
    'Times are GeneralizedTime in UTC with seconds and without fractions.',
    (response) => timesOf(response).some(({ tag, at }) => tag !== Tag.generalizedTime || Number.isNaN(at)),
  ),
  rule(
    'ocsp-next-update',
    'RFC 6960 §4.2.2.1, RFC 5019 §2.2.4',
    'Each status has a next update after this update, which is not after the response was produced.',
    ({ responses, producedAt }) =>
      responses.some(
        ({ thisUpdate, nextUpdate }) =>
          !nextUpdate || !(nextUpdate.at > thisUpdate.at && thisUpdate.at <= producedAt.at),
      ),
  ),
  rule(
    'ocsp-answers-request',
    'RFC 6960 §2.2, §3.2',
    'There is one status for each certificate of the request, in order, with its CertID octet by octet.',
    ({ responses }, { certIds }) =>
      responses.length !== certIds.length || certIds.some((id, at) => !responses[at]?.certIdDer.equals(id)),
  ),
  rule(
    'ocsp-revocation-time',
    'RFC 6960 §4.2.1',
    'No certificate is revoked after the response was produced.',
    ({ responses, producedAt }) => responses.some(({ revoked }) => revoked !== null && revoked.at.at > producedAt.at),
  ),
  rule(
    'ocsp-reason',
    'RFC 6960 §4.2.1, RFC 5280 §5.3.1',
    'A reason is one of those that are defined, neither "unspecified" nor "removeFromCRL".',
    ({ responses }) => responses.some(({ revoked }) => revoked !== null && isWrongReason(revoked.reason)),
  ),
  rule(
    'ocsp-extensions',
    'RFC 6960 §4.1.2, §4.4',
    'Extensions are not critical and not repeated, and left out when there are none.',
    ({ extensions, responses }) =>
      areWrong(extensions) || responses.some((one) => one.extensions.length > 0 && areWrong(one.extensions)),
  ),
  rule(
    'ocsp-nonce',
    'RFC 9654 §2.1',
    'The nonce of the request is repeated octet by octet; without one in the request there is none.',
    ({ extensions }, { nonce }) => {
      const found = extensions.find(({ oid }) => oid === OcspOid.nonce);
      if (!found || nonce === null) return found !== undefined || nonce !== null;
      return !DerReader.over(found.valueDer).octetString().equals(nonce);
    },
  ),
  rule(
    'ocsp-archive-cutoff',
    'RFC 6960 §4.4.4',
    'An archive cutoff is not after the response was produced.',
    ({ responses, producedAt }) => cutoffsOf(responses).some(({ at }) => at > producedAt.at),
  ),
];

/** The rules that a ResponseData breaks. */
export function lintOcsp(tbs: Buffer, asked: OcspAsked): LintFinding[] {
  try {
    const response = readResponseData(tbs);
    return ocspLints.filter(({ isBroken }) => isBroken(response, asked)).map(findingOf);
  } catch (error) {
    if (error instanceof DerError) return [{ ...findingOf(readable), about: error.message }];
    throw error;
  }
}

/** Throws PkiError `lint` that names every rule that the response breaks. */
export function demandCleanOcsp(tbs: Buffer, asked: OcspAsked): void {
  const findings = lintOcsp(tbs, asked);
  if (findings.length === 0) return;
  throw new PkiError('lint', `OCSP response not signed: ${findings.map(sentenceOf).join(' ')}`);
}

function findingOf({ name, source, demands }: OcspRule): LintFinding {
  return { name, source, demands, severity: 'error' };
}

function timesOf({ producedAt, responses }: LintedOcsp): LintedTime[] {
  const times = [producedAt, ...cutoffsOf(responses)];
  for (const { thisUpdate, nextUpdate, revoked } of responses) {
    times.push(thisUpdate);
    if (nextUpdate) times.push(nextUpdate);
    if (revoked) times.push(revoked.at);
  }
  return times;
}

function cutoffsOf(responses: LintedOcsp['responses']): LintedTime[] {
  const cutoffs: LintedTime[] = [];
  for (const { extensions } of responses)
    for (const { oid, valueDer } of extensions)
      if (oid === OcspOid.archiveCutoff) cutoffs.push(readTime(DerReader.over(valueDer)));
  return cutoffs;
}

function areWrong(extensions: LintedOcsp['extensions']): boolean {
  return (
    extensions.some(({ critical, writesDefault }) => critical || writesDefault) ||
    repeated(extensions.map(({ oid }) => oid)) !== undefined
  );
}

function isWrongReason(reason: number | null): boolean {
  if (reason === null) return false;
  const name = REVOCATION_REASONS[reason];
  return reason === 0 || name === undefined || name === 'removeFromCRL';
}
