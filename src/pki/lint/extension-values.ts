import type { RawExtension } from '../../plugin-api/terms.js';
import { DerError, DerReader, Tag } from '../der/reader.js';
import { ExtensionOid } from '../extensions.js';
import { type DistributionPoint, distributionPoints, freshestPoints } from '../distribution-points.js';
import { type GeneralName, readGeneralName } from '../path/general-name.js';
import { readNameConstraints } from '../path/name-constraints.js';
import { readInhibitAnyPolicy, readPolicyConstraints, readPolicyMappings } from '../path/policies.js';

/** What the known extensions of a certificate say; absent members are absent extensions, or malformed ones. */
export interface ExtensionValues {
  basicConstraints?: { isCa: boolean; pathLength?: number; writesDefault: boolean };
  /** Numbers of the set bits, and whether the bit string ends with its last set bit (X.690 §11.2.2). */
  keyUsage?: { bits: readonly number[]; isMinimal: boolean };
  extendedKeyUsage?: readonly string[];
  subjectAltName?: readonly GeneralName[];
  subjectKeyIdentifier?: Buffer;
  authorityKeyIdentifier?: { keyIdentifier?: Buffer; hasIssuer: boolean };
  crlDistributionPoints?: readonly DistributionPoint[];
  authorityInfoAccess?: readonly { method: string; location: GeneralName }[];
  /** OIDs, repeated ones too. */
  certificatePolicies?: readonly string[];
}

/** Reads one extension into `values`. Throws DerError or PkiError for one that is not of its type. */
export function readValue(values: ExtensionValues, extension: RawExtension): void {
  READERS.get(extension.oid)?.(values, extension);
}

type Reader = (values: ExtensionValues, extension: RawExtension) => void;

const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  [
    ExtensionOid.basicConstraints,
    (values, { valueDer }) => {
      const reader = DerReader.enter(valueDer);
      const isWritten = reader.peek() === Tag.boolean;
      const isCa = isWritten && reader.boolean();
      const pathLength = reader.more ? reader.smallInteger() : undefined;
      reader.end();
      values.basicConstraints = {
        isCa,
        writesDefault: isWritten && !isCa,
        ...(pathLength !== undefined && { pathLength }),
      };
    },
  ],
  [
    ExtensionOid.keyUsage,
    (values, { valueDer }) => {
      const { bytes, unusedBits } = DerReader.over(valueDer).bitString();
      const bits = DerReader.over(valueDer).namedBits();
      values.keyUsage = { bits, isMinimal: bytes.length === 0 || ((bytes.at(-1) ?? 0) & (1 << unusedBits)) !== 0 };
    },
  ],
  [
    ExtensionOid.extendedKeyUsage,
    (values, { valueDer }) => {
      const oids: string[] = [];
      for (const reader = DerReader.enter(valueDer); reader.more;) oids.push(reader.oid());
      values.extendedKeyUsage = oids;
    },
  ],
  [
    ExtensionOid.subjectAltName,
    (values, { valueDer }) => {
      const names: GeneralName[] = [];
      for (const reader = DerReader.enter(valueDer); reader.more;) names.push(readGeneralName(reader));
      values.subjectAltName = names;
    },
  ],
  [
    ExtensionOid.subjectKeyIdentifier,
    (values, { valueDer }) => {
      values.subjectKeyIdentifier = DerReader.over(valueDer).octetString();
    },
  ],
  [
    ExtensionOid.authorityKeyIdentifier,
    (values, { valueDer }) => {
      const reader = DerReader.enter(valueDer);
      const keyIdentifier = reader.peek() === 0x80 ? reader.content() : undefined;
      values.authorityKeyIdentifier = { hasIssuer: reader.more, ...(keyIdentifier && { keyIdentifier }) };
    },
  ],
  [
    ExtensionOid.crlDistributionPoints,
    (values, extension) => {
      values.crlDistributionPoints = distributionPoints([extension]);
    },
  ],
  [ExtensionOid.freshestCrl, (_, extension) => void freshestPoints([extension])],
  [
    ExtensionOid.authorityInfoAccess,
    (values, { valueDer }) => {
      const accesses: { method: string; location: GeneralName }[] = [];
      for (const reader = DerReader.enter(valueDer); reader.more;) {
        const access = reader.enter();
        accesses.push({ method: access.oid(), location: readGeneralName(access) });
        access.end();
      }
      values.authorityInfoAccess = accesses;
    },
  ],
  [
    ExtensionOid.certificatePolicies,
    (values, { valueDer }) => {
      const policies: string[] = [];
      for (const reader = DerReader.enter(valueDer); reader.more;) {
        const information = reader.enter();
        policies.push(information.oid());
        if (information.more) information.enter();
        information.end();
      }
      values.certificatePolicies = policies;
    },
  ],
  [ExtensionOid.nameConstraints, (_, { valueDer }) => void readNameConstraints(valueDer)],
  [ExtensionOid.policyMappings, (_, { valueDer }) => void readPolicyMappings(valueDer)],
  [ExtensionOid.policyConstraints, (_, { valueDer }) => void readPolicyConstraints(valueDer)],
  [ExtensionOid.inhibitAnyPolicy, (_, { valueDer }) => void readInhibitAnyPolicy(valueDer)],
  [ExtensionOid.noRevAvail, (_, { valueDer }) => demandNull(valueDer)],
  [ExtensionOid.ocspNoCheck, (_, { valueDer }) => demandNull(valueDer)],
]);

function demandNull(valueDer: Buffer): void {
  if (!valueDer.equals(NULL)) throw new DerError('Expected NULL');
}

const NULL = Buffer.from([0x05, 0x00]);
