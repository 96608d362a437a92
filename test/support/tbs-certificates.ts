import { generateKeyPairSync } from 'node:crypto';
import * as der from '../../src/pki/der/writer.js';
import * as extensions from '../../src/pki/extensions.js';
import { keyIdentifierOf, spkiOf } from '../../src/pki/key.js';
import type { LintIssuer } from '../../src/pki/lint/lint.js';
import { nameConstraints } from '../../src/pki/name-constraints.js';
import { encodeSubject } from '../../src/pki/names.js';
import { readNameConstraints } from '../../src/pki/path/name-constraints.js';
import { signatureAlgorithmOf } from '../../src/pki/sign.js';

// TBSCertificates in DER, with any part or extension exchanged, for the lint.

export const spkiDer = spkiOf(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey);
export const rsaSpkiDer = spkiOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);
export const keyIdentifier = keyIdentifierOf(spkiDer);
export const issuerDer = encodeSubject({ commonName: 'Issuing CA', country: 'CH' });
export const algorithm = signatureAlgorithmOf({ keyType: 'ec', namedCurve: 'prime256v1' }).algorithmDer;
export const serial = Buffer.from('41'.repeat(16), 'hex');
export const day = (text: string) => new Date(`${text}T00:00:00Z`);
export const utc = (text: string) => der.tlv(0x17, Buffer.from(text));
export const generalized = (text: string) => der.tlv(0x18, Buffer.from(text));
const period = der.sequence(der.time(day('2026-01-01')), der.time(day('2026-04-01')));

export const limits = { notBefore: day('2025-01-01'), notAfter: day('2035-01-01'), nameConstraints: [] };
export const issuer: LintIssuer = {
  issuerDer,
  issuerKeyIdentifier: keyIdentifier,
  signatureAlgorithm: algorithm,
  limits,
};
export const serverAuth = '1.3.6.1.5.5.7.3.1';
export const oidOf = extensions.ExtensionOid;

type Extension = ReturnType<typeof extensions.keyUsage>;
type Parts = Record<'version' | 'serial' | 'algorithm' | 'issuer' | 'validity' | 'subject' | 'spki' | 'after', Buffer>;

export const name = (oid: string, value: Buffer) => der.sequence(der.setOf(der.sequence(der.oid(oid), value)));
export const san = (...names: Buffer[]): Extension => ({
  oid: oidOf.subjectAltName,
  critical: false,
  valueDer: der.sequence(...names),
});
export const dns = (text: string) => der.implicit(2, Buffer.from(text));
export const raw = (oid: string, valueDer: Buffer, critical = false): Extension => ({ oid, critical, valueDer });
export const bits = (hex: string) => raw(oidOf.keyUsage, der.tlv(0x03, Buffer.from(hex, 'hex')), true);

export const ofLeaf: readonly Extension[] = [
  extensions.authorityKeyIdentifier(keyIdentifier),
  extensions.basicConstraints(false),
  extensions.crlDistributionPoints(['http://pki.example/crl']),
  extensions.authorityInfoAccess({ ocsp: ['http://pki.example/ocsp'], caIssuers: ['http://pki.example/ca.der'] }),
  extensions.certificatePolicies(['1.3.6.1.4.1.55555.1']),
  extensions.subjectKeyIdentifier(keyIdentifier),
  extensions.keyUsage(['digitalSignature']),
  extensions.extendedKeyUsage([serverAuth]),
  san(dns('www.example.com')),
];
export const constraints = nameConstraints({ permitted: { dns: ['example.com'] } }) as Extension;
export const ofCa: readonly Extension[] = [
  extensions.authorityKeyIdentifier(keyIdentifier),
  extensions.basicConstraints(true, 0),
  extensions.keyUsage(['keyCertSign', 'cRLSign']),
  extensions.subjectKeyIdentifier(keyIdentifier),
  constraints,
];

export function write(all: readonly (Extension | Buffer)[], parts: Partial<Parts> = {}): Buffer {
  const encoded = all.map((one) => (Buffer.isBuffer(one) ? one : extensions.encodeExtension(one)));
  return der.sequence(
    parts.version ?? der.explicit(0, der.integer(2)),
    parts.serial ?? der.integer(serial),
    parts.algorithm ?? algorithm,
    parts.issuer ?? issuerDer,
    parts.validity ?? period,
    parts.subject ?? encodeSubject({ commonName: 'www.example.com', country: 'CH' }),
    parts.spki ?? spkiDer,
    parts.after ?? Buffer.alloc(0),
    der.explicit(3, der.sequence(...encoded)),
  );
}

/** With these extensions in place of those with the same OID, or behind the others. */
export function changed(all: readonly Extension[], changes: readonly Extension[]): Extension[] {
  const kept = all.filter(({ oid }) => !changes.some((one) => one.oid === oid));
  return [...kept, ...changes];
}
export const leaf = (parts: Partial<Parts>, ...changes: Extension[]) => write(changed(ofLeaf, changes), parts);
export const ca = (parts: Partial<Parts>, ...changes: Extension[]) => write(changed(ofCa, changes), parts);
export const withoutIn = (all: readonly Extension[], ...oids: string[]) =>
  write(all.filter(({ oid }) => !oids.includes(oid)));

export const time = (begin: Buffer, end: Buffer) => leaf({ validity: der.sequence(begin, end) });
export const begin = utc('260101000000Z');
export const subject = (oid: string, value: Buffer) => leaf({ subject: name(oid, value) });
export const cn = '2.5.4.3';
export const publicTls: LintIssuer = { ...issuer, publicTls: true };
export const noPath: LintIssuer = { ...issuer, limits: { ...limits, pathLength: 0 } };
export const constrained: LintIssuer = {
  ...issuer,
  limits: { ...limits, nameConstraints: [readNameConstraints(constraints.valueDer)] },
};
export const rsaIssuer: LintIssuer = { ...issuer, signatureAlgorithm: der.sequence(der.oid('1.2.840.113549.1.1.11')) };
export const twice = (text: string) => san(dns(text), dns(text));
