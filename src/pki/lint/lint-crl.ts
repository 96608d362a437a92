import { DerError, DerReader, Tag } from '../der/reader.js';
import { REVOCATION_REASONS } from '../distribution-points.js';
import { ExtensionOid } from '../extensions.js';
import { PkiError } from '../pki-error.js';
import { isProperTime } from './linted-certificate.js';
import { type LintedCrl, type LintedEntry, readEntries, readTbsCrl } from './linted-crl.js';
import { type LintFinding, type LintIssuer, repeated, sentenceOf } from './lint.js';

/** What a CRL must agree with. */
export type CrlIssuer = Pick<LintIssuer, 'issuerDer' | 'issuerKeyIdentifier' | 'signatureAlgorithm'>;

interface CrlRule {
  name: string;
  source: string;
  demands: string;
}
interface HeadLint extends CrlRule {
  isBroken: (crl: LintedCrl, issuer: CrlIssuer) => boolean;
}
interface EntryLint extends CrlRule {
  isBroken: (entry: LintedEntry, crl: LintedCrl) => boolean;
}

const head = (name: string, source: string, demands: string, isBroken: HeadLint['isBroken']): HeadLint => {
  return { name, source, demands, isBroken };
};
const entry = (name: string, source: string, demands: string, isBroken: EntryLint['isBroken']): EntryLint => {
  return { name, source, demands, isBroken };
};
const longestNumber = 20;

const readable = head('crl-structure', 'RFC 5280 §5.1, X.690 §10, §11', 'It is a CRL in DER.', () => false);

const headLints: readonly HeadLint[] = [
  readable,
  head('crl-version-2', 'RFC 5280 §5.1.2.1', 'The version is 2.', ({ version }) => version !== 1),
  head(
    'crl-same-signature-algorithm',
    'RFC 5280 §5.1.1.2',
    'The signature algorithm is the same inside and outside of the signed part.',
    ({ algorithmDer }, { signatureAlgorithm }) => !algorithmDer.equals(signatureAlgorithm),
  ),
  head(
    'crl-issuer-is-subject-of-ca',
    'RFC 5280 §5.1.2.3',
    'The issuer is the subject of the CA, octet by octet.',
    ({ issuerDer }, { issuerDer: subjectOfCa }) => !issuerDer.equals(subjectOfCa),
  ),
  head(
    'crl-time-form',
    'RFC 5280 §5.1.2.4',
    'Times are in UTC with seconds and without fractions: UTCTime until 2049, GeneralizedTime from 2050.',
    ({ thisUpdate, nextUpdate }) =>
      !isProperTime(thisUpdate) || (nextUpdate !== undefined && !isProperTime(nextUpdate)),
  ),
  head(
    'crl-next-update',
    'RFC 5280 §5.1.2.5',
    'The next update is after this update.',
    ({ thisUpdate, nextUpdate }) => {
      return !(nextUpdate !== undefined && nextUpdate.at > thisUpdate.at);
    },
  ),
  head('crl-no-empty-list', 'RFC 5280 §5.1.2.6', 'A list without entries is left out.', ({ entriesDer }) => {
    return entriesDer?.length === 0;
  }),
  head('crl-extensions-distinct', 'RFC 5280 §4.2', 'No extension is repeated.', ({ extensions }) => {
    return repeated(extensions.map(({ oid }) => oid)) !== undefined;
  }),
  head(
    'crl-authority-key-identifier',
    'RFC 5280 §5.2.1',
    'The authority key identifier is the subject key identifier of the CA, and not critical.',
    (crl, { issuerKeyIdentifier }) => {
      const one = extensionOf(crl, ExtensionOid.authorityKeyIdentifier);
      return !one || one.critical || !DerReader.enter(one.valueDer).content(0x80).equals(issuerKeyIdentifier);
    },
  ),
  head('crl-number', 'RFC 5280 §5.2.3', 'It has a positive number of at most 20 octets, not critical.', (crl) => {
    const [one, number] = [extensionOf(crl, ExtensionOid.crlNumber), numberIn(crl, ExtensionOid.crlNumber)];
    return !one || one.critical || number === null || (number[0] ?? 0x80) >= 0x80 || number.length > longestNumber;
  }),
  head(
    'delta-crl-indicator',
    'RFC 5280 §5.2.4',
    'A delta CRL has a critical indicator with a number not above its own, and names no freshest CRL.',
    (crl) => {
      const indicator = extensionOf(crl, ExtensionOid.deltaCrlIndicator);
      if (!indicator) return false;
      const [base, own] = [numberIn(crl, ExtensionOid.deltaCrlIndicator), numberIn(crl, ExtensionOid.crlNumber)];
      const isFromThen = base !== null && own !== null && unsigned(base) <= unsigned(own);
      return !indicator.critical || !isFromThen || extensionOf(crl, ExtensionOid.freshestCrl) !== undefined;
    },
  ),
  head(
    'issuing-distribution-point-critical',
    'RFC 5280 §5.2.5',
    'The issuing distribution point is critical and not empty.',
    (crl) => {
      const point = extensionOf(crl, ExtensionOid.issuingDistributionPoint);
      return point !== undefined && (!point.critical || !DerReader.enter(point.valueDer).more);
    },
  ),
  head('freshest-crl-not-critical', 'RFC 5280 §5.2.6', 'The freshest CRL is not critical.', (crl) => {
    return extensionOf(crl, ExtensionOid.freshestCrl)?.critical === true;
  }),
];

const entryLints: readonly EntryLint[] = [
  // A certificate that somebody else made can have the number zero, and be revoked.
  entry(
    'entry-serial',
    'RFC 5280 §4.1.2.2',
    'No serial number is negative or has more than 20 octets.',
    ({ serial }) => {
      return (serial[0] ?? 0x80) >= 0x80 || serial.length > longestNumber;
    },
  ),
  entry(
    'entry-time',
    'RFC 5280 §5.1.2.6',
    'A revocation has a proper time that is not after this update.',
    ({ revokedAt }, { thisUpdate }) => !isProperTime(revokedAt) || revokedAt.at > thisUpdate.at,
  ),
  entry(
    'entry-extensions',
    'RFC 5280 §5.1.2.6, §5.3',
    'Extensions of an entry are not critical and not repeated, and left out when there are none.',
    ({ extensions }) =>
      extensions !== null &&
      (extensions.length === 0 ||
        extensions.some(({ critical, writesDefault }) => critical || writesDefault) ||
        repeated(extensions.map(({ oid }) => oid)) !== undefined),
  ),
  entry(
    'entry-reason',
    'RFC 5280 §5.3.1',
    'A reason is one of those that are defined, not "unspecified", and "removeFromCRL" in a delta CRL alone.',
    ({ extensions }, crl) => {
      const reason = extensions?.find(({ oid }) => oid === ExtensionOid.reasonCode);
      if (!reason) return false;
      const code = DerReader.over(reason.valueDer).smallInteger(Tag.enumerated);
      const isRemoval = REVOCATION_REASONS[code] === 'removeFromCRL';
      const isDelta = extensionOf(crl, ExtensionOid.deltaCrlIndicator) !== undefined;
      return code === 0 || REVOCATION_REASONS[code] === undefined || (isRemoval && !isDelta);
    },
  ),
  entry('entry-invalidity-date', 'RFC 5280 §5.3.2', 'An invalidity date is a GeneralizedTime.', ({ extensions }) => {
    const date = extensions?.find(({ oid }) => oid === ExtensionOid.invalidityDate);
    return date !== undefined && date.valueDer[0] !== Tag.generalizedTime;
  }),
];

const distinctEntries: CrlRule = {
  name: 'entries-distinct',
  source: 'X.509 §7.10',
  demands: 'No serial number is repeated.',
};

/** Every rule on CRLs. */
export const crlLints: readonly CrlRule[] = [...headLints, ...entryLints, distinctEntries];

/** The rules that a TBSCertList breaks. Reads the entries only when `entries` is true: it takes seconds for many. */
export function lintCrl(tbs: Buffer, issuer: CrlIssuer, { entries }: { entries: boolean }): LintFinding[] {
  try {
    const crl = readTbsCrl(tbs);
    const broken: CrlRule[] = headLints.filter(({ isBroken }) => isBroken(crl, issuer));
    if (entries && crl.entriesDer) broken.push(...brokenByEntries(crl, crl.entriesDer));
    return broken.map(findingOf);
  } catch (error) {
    if (error instanceof DerError) return [{ ...findingOf(readable), about: error.message }];
    throw error;
  }
}

/** Throws PkiError `lint` that names every rule that the CRL breaks; does not read the entries. */
export function demandCleanCrl(tbs: Buffer, issuer: CrlIssuer): void {
  const findings = lintCrl(tbs, issuer, { entries: false });
  if (findings.length > 0) throw new PkiError('lint', `CRL not signed: ${findings.map(sentenceOf).join(' ')}`);
}

function brokenByEntries(crl: LintedCrl, entriesDer: Buffer): Set<CrlRule> {
  const broken = new Set<CrlRule>();
  const serials = new Set<string>();
  for (const one of readEntries(entriesDer)) {
    for (const rule of entryLints) if (rule.isBroken(one, crl)) broken.add(rule);
    const serial = one.serial.toString('latin1');
    if (serials.has(serial)) broken.add(distinctEntries);
    serials.add(serial);
  }
  return broken;
}

function findingOf({ name, source, demands }: CrlRule): LintFinding {
  return { name, source, demands, severity: 'error' };
}

function extensionOf({ extensions }: LintedCrl, wanted: string): LintedCrl['extensions'][number] | undefined {
  return extensions.find(({ oid }) => oid === wanted);
}

/** The content of the INTEGER in an extension; null when that is absent. */
function numberIn(crl: LintedCrl, oid: string): Buffer | null {
  const one = extensionOf(crl, oid);
  return one ? DerReader.over(one.valueDer).integer() : null;
}

function unsigned(number: Buffer): bigint {
  return BigInt(`0x${number.toString('hex')}`);
}
