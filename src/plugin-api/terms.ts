/** An X.509 name as a user gives it; absent members are left out of the DN. */
export interface SubjectFields {
  commonName?: string;
  country?: string;
  state?: string;
  location?: string;
  organization?: string;
  organizationalUnit?: string;
}

export type SanType = 'dns' | 'ip' | 'email' | 'uri' | 'registeredId';
export interface SubjectAltName {
  type: SanType;
  value: string;
}

/** RFC 5280 §4.2.1.3 names in order of their bits. */
export type KeyUsage =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly';

/** An extension already in DER, for what has no field of its own. `valueDer` is the content of extnValue. */
export interface RawExtension {
  oid: string;
  critical: boolean;
  valueDer: Buffer;
}

/** Extensions that an issuer adds on its own: addresses (RFC 5280 §4.2.2.1, §4.2.1.13) and policies (§4.2.1.4). */
export type IssuerExtension = 'authorityInfoAccess' | 'crlDistributionPoints' | 'certificatePolicies';

/** What was approved to be in one certificate. */
export interface CertificateTerms {
  subject: SubjectFields;
  /** The exact subject DN of the CSR, DER, when it is to be kept as it is. */
  subjectDer?: Buffer;
  subjectAltNames: readonly SubjectAltName[];
  keyUsage: readonly KeyUsage[];
  /** OIDs in dotted form. */
  extendedKeyUsage: readonly string[];
  extensions: readonly RawExtension[];
  /** Extensions that this certificate must not carry; only for plugins that declare `addsExtensions`. */
  leaveOut?: readonly IssuerExtension[];
  notBefore: Date;
  notAfter: Date;
}
