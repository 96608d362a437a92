import { resolveKeyType } from '../pki/key.js';
import type { CsrContent } from '../pki/csr.js';
import { basicConstraints } from '../pki/extensions.js';
import { nameConstraints } from '../pki/name-constraints.js';
import { encodeSubject } from '../pki/names.js';
import { rebuildName } from '../pki/requested-name.js';
import { blame } from '../platform/http/blame.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid } from '../platform/http/problem.js';
import type { KeyRequest, KeyStore } from '../platform/keys/key-store.js';
import type { CreateAuthorityRequest } from '../plugin-api/issuer.js';
import type { SubjectFields } from '../plugin-api/terms.js';
import type { Authority } from './authority.entity.js';
import type { CreateAuthority } from './authority.schema.js';

// What is in the certificate of a CA, and what key it is for.

const dayMs = 86_400_000;
const defaultYears = { root: 20, subca: 10 } as const;

/** The types of keys that sign in these ways; the first is made when a request names no type. */
const keysOf: Readonly<Record<NonNullable<CreateAuthority['signingAlgorithm']>, readonly string[]>> = {
  sha256WithRSA: ['RSA2048', 'RSA3072', 'RSA4096'],
  sha256WithECDSA: ['ECCPRIME256V1'],
  sha384WithECDSA: ['ECCSECP384R1'],
  sha512WithECDSA: ['ECCSECP521R1'],
  ed25519: ['ED25519'],
};

/** Throws Problem `invalid-request` when key and signature do not fit. */
export function keyTypeOf({
  keyType,
  signingAlgorithm,
}: Pick<CreateAuthority, 'keyType' | 'signingAlgorithm'>): string {
  const fitting = signingAlgorithm ? keysOf[signingAlgorithm] : undefined;
  const resolved = blame('keyType', () => resolveKeyType(keyType ?? fitting?.[0] ?? 'ECCPRIME256V1'));
  if (fitting && !fitting.includes(resolved))
    throw invalid('signingAlgorithm', `A ${resolved} key does not sign with ${signingAlgorithm}.`);
  return resolved;
}

/** The new key of an authority that is renewed: like its present one, unless the request says otherwise. */
export async function newKeyOf(
  { keyId, keyType }: Pick<Authority, 'keyId' | 'keyType'>,
  wish: Pick<CreateAuthority, 'keyType' | 'keyStore'>,
  { userId }: Actor,
  keys: KeyStore,
): Promise<KeyRequest> {
  const store = wish.keyStore ?? (keyId === null ? undefined : (await keys.storesOf([keyId])).get(keyId));
  return { keyType: keyTypeOf({ keyType: wish.keyType ?? keyType }), userId, store };
}

/** As an unsigned magnitude. */
export function magnitudeOf(serial: bigint): Buffer {
  const hex = serial.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
}

/** Throws Problem `invalid-request` that names the first member that a DN cannot hold. */
export function demandSubject(subject: SubjectFields): void {
  for (const [field, value] of Object.entries<string>(subject as Record<string, string>))
    blame(field, () => rebuildName(encodeSubject({ [field]: value })));
}

/** Throws Problem `invalid-request`. */
export function subjectOf(request: Pick<CreateAuthority, keyof SubjectFields>): SubjectFields {
  if (request.commonName === undefined) throw invalid('commonName', 'A new CA needs a common name.');
  const { commonName, country, state, location, organization, organizationalUnit } = request;
  const given = Object.entries({ commonName, country, state, location, organization, organizationalUnit }).filter(
    ([, value]) => value,
  );
  const subject: SubjectFields = Object.fromEntries(given);
  demandSubject(subject);
  return subject;
}

/** How long a CA certificate is to be valid. */
export type CaValidityWish = Pick<CreateAuthority, 'validityStart' | 'validityEnd' | 'validityYears' | 'validityDays'>;
type Period = Pick<Authority, 'notBefore' | 'notAfter'>;

/** Without a wish: `usualMs`, but never longer than its parent. Throws Problem `invalid-request`. */
export function validityOf(request: CaValidityWish, usualMs: number, parent: Period | null, now: Date): Period {
  const start = request.validityStart ?? new Date(Math.max(now.getTime() - 60_000, parent?.notBefore.getTime() ?? 0));
  const notBefore = new Date(Math.floor(start.getTime() / 1000) * 1000);
  const parentEnd = parent?.notAfter.getTime() ?? Infinity;
  const { validityDays: days, validityYears: years } = request;
  const length = days ? days * dayMs : years ? yearsMs(years) : usualMs;
  const asked = request.validityEnd?.getTime() ?? notBefore.getTime() + length;
  const wished = request.validityEnd ?? request.validityYears ?? request.validityDays;
  const field = request.validityYears ? 'validityYears' : request.validityDays ? 'validityDays' : 'validityEnd';
  if (asked > parentEnd && wished !== undefined)
    throw invalid(field, `The parent ends at ${new Date(parentEnd).toISOString()}.`);
  const notAfter = new Date(Math.floor(Math.min(asked, parentEnd) / 1000) * 1000);
  if (notAfter <= notBefore || notAfter <= now)
    throw invalid('validityEnd', 'Validity start must be before validity end, and that in the future.');
  return { notBefore, notAfter };
}

/** Subject and extensions of a new CA. Throws Problem `invalid-request`. */
export function caContentOf(request: Pick<CreateAuthority, 'nameConstraints'> & Parameters<typeof subjectOf>[0]) {
  const constraints = blame('nameConstraints', () => nameConstraints(request.nameConstraints ?? {}));
  return { subject: subjectOf(request), ...(constraints && { extensions: [constraints] }) };
}

/** What a CSR of a CA asks for. */
export function caCsrContent({
  pathLength,
  extensions = [],
  ...subject
}: Pick<CreateAuthorityRequest, 'subject' | 'subjectDer' | 'pathLength' | 'extensions'>): CsrContent {
  return {
    ...subject,
    subjectAltNames: [],
    keyUsage: ['keyCertSign', 'cRLSign'],
    extensions: [basicConstraints(true, pathLength), ...extensions],
  };
}

/** 20 years for a root, 10 for a CA below it. */
export function usualLengthMs(type: CreateAuthority['type']): number {
  return yearsMs(defaultYears[type]);
}

function yearsMs(years: number): number {
  return years * 365.25 * dayMs;
}
