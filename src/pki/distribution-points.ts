import type { RawExtension } from '../plugin-api/terms.js';
import { DerReader } from './der/reader.js';
import { ExtensionOid } from './extensions.js';
import { type GeneralName, readGeneralName } from './path/general-name.js';

/** RFC 5280 §5.3.1, by code; 7 is not used. `removeFromCRL` stands in delta CRLs alone. */
export const REVOCATION_REASONS = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  undefined,
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
] as const;

/** Bits of ReasonFlags (RFC 5280 §4.2.1.13) that a CRL for all reasons covers. */
export const ALL_REASONS: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8];

/** One place of CRLs (RFC 5280 §4.2.1.13). */
export interface DistributionPoint {
  /** The names of the CRL, which its own scope repeats. */
  names: readonly GeneralName[];
  /** Bits of ReasonFlags; all of them when absent. */
  reasons?: readonly number[];
  /** Names of another CA that signs the CRL. */
  crlIssuer: readonly GeneralName[];
}

/** Reads the CRL distribution points. Throws DerError. */
export function distributionPoints(extensions: readonly RawExtension[]): DistributionPoint[] {
  return pointsIn(extensions, ExtensionOid.crlDistributionPoints);
}

/** Reads where delta CRLs are, of a certificate or a CRL (RFC 5280 §4.2.1.15, §5.2.6). Throws DerError. */
export function freshestPoints(extensions: readonly RawExtension[]): DistributionPoint[] {
  return pointsIn(extensions, ExtensionOid.freshestCrl);
}

function pointsIn(extensions: readonly RawExtension[], wanted: string): DistributionPoint[] {
  const points: DistributionPoint[] = [];
  for (const { valueDer } of extensions.filter(({ oid }) => oid === wanted)) {
    for (const reader = DerReader.enter(valueDer); reader.more;) {
      const point = reader.enter();
      points.push({
        names: readPointName(point.enterIf(0xa0)),
        ...(point.peek() === 0x81 && { reasons: point.namedBits(0x81) }),
        crlIssuer: readNames(point.enterIf(0xa2)),
      });
      point.end();
    }
  }
  return points;
}

/** The full names of a DistributionPointName; none for a name relative to the issuer. Throws DerError. */
export function readPointName(reader: DerReader | undefined): GeneralName[] {
  return readNames(reader?.enterIf(0xa0));
}

function readNames(reader: DerReader | undefined): GeneralName[] {
  const names: GeneralName[] = [];
  while (reader?.more) names.push(readGeneralName(reader));
  return names;
}

/** The http addresses among `names`, in order; other schemes are not asked. */
export function httpUrls(names: readonly GeneralName[]): string[] {
  return names
    .filter(({ kind }) => kind === 'uri')
    .map(({ content }) => content.toString('latin1'))
    .filter((url) => /^http:/i.test(url) && URL.canParse(url));
}
