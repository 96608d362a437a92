import { createHash, randomUUID } from 'node:crypto';
import type { NewRow } from '../certificates/certificate.repository.js';
import { weaknessOf } from '../certificates/import/imported-rows.js';
import { issuedFacts } from '../certificates/issued-facts.js';
import { type CareOfRow, keyPlace, rowBeforeIssue } from '../certificates/issue/new-row.js';
import { canMakeKey } from '../pki/key.js';
import type { KnownKeys } from '../pki/weak-keys.js';
import { privateKeyPem } from '../platform/key-maker.js';
import type { KeyRing } from '../platform/secrets/key-ring.js';
import { noSuccession, planRenewal, type RenewalRule } from '../rotation/due.js';
import { digestOf } from './run.js';
import type { ReadCertificate } from './read-certificate.js';
import type { Report } from './report.js';
import type { LemurLinks } from './certificate-links.js';
import { spreadRenewal } from './spread.js';

/** Maps Lemur's ids to ids here. */
export interface Places {
  users: ReadonlyMap<number, number>;
  policies: ReadonlyMap<number, RenewalRule & { id: number }>;
  defaultPolicy: RenewalRule & { id: number };
  authorities: ReadonlyMap<number, number>;
}

/** Facts about a row beyond the certificate itself. */
export interface RowContext {
  keyRing: KeyRing;
  badKeys: KnownKeys;
  now: Date;
  links: LemurLinks;
  places: Places;
  report: Report;
}

/**
 * The columns of an imported certificate, in state `issued`. Notices follow Lemur, except that a certificate that an
 * endpoint still serves gets notices although a replacement exists.
 */
export function rowOf(read: ReadCertificate, context: RowContext): NewRow {
  const { row, leaf, terms, key, csrPem, chainPem } = read;
  const { keyRing, badKeys, now, links, places, report } = context;
  const secretId = randomUUID();
  const sealedKey = key && keyRing.seal(privateKeyPem(key), keyPlace(secretId));
  const policy = places.policies.get(row.rotationPolicyId ?? 0) ?? places.defaultPolicy;
  const care = careOf(read, context, policy.id);
  const isReplaced = links.replaced.has(row.id);
  const before = rowBeforeIssue(
    care,
    { spkiDer: leaf.spkiDer, keyType: leaf.keyType, bits: leaf.bits, csrPem, secretId, sealedKey },
    terms,
  );
  const plan = planRenewal(
    {
      ...before,
      ...leaf,
      state: 'issued',
      hasIssuer: care.authorityId !== null,
      canMakeKey: canMakeKey(leaf.keyType),
      ...noSuccession,
      isReplaced,
    },
    policy,
  );
  const name = row.name ?? `lemur-${row.id}`;
  noteRenewal(read, { obstacle: plan.obstacle, rotates: care.rotation }, report);
  return {
    ...before,
    ...issuedFacts(chainPem, row.externalId || undefined),
    keyWeakness: weaknessOf(leaf.spkiDer, badKeys),
    state: 'issued',
    hearsDefaults: false,
    name,
    lemurId: row.id,
    createdAt: row.dateCreated ?? leaf.notBefore,
    renewalReason: plan.obstacle ?? plan.reason,
    nextRenewalAt: plan.at === null || isOver(read) ? null : heldUntil(plan.at, name),
  };

  function isOver({ leaf: { notAfter } }: ReadCertificate): boolean {
    if (notAfter > now && row.status !== 'revoked' && row.deleted !== true) return false;
    if (notAfter <= now)
      report.note({
        kind: 'changed',
        table: 'certificates',
        id: row.id,
        name,
        text: 'It expired before this import and is not renewed automatically; perennial reissue renews it.',
      });
    return true;
  }

  function heldUntil(planned: Date, title: string): Date {
    const renewsAt = spreadRenewal(planned, { now, notAfter: leaf.notAfter, share: shareOf(leaf.fingerprintSha256) });
    if (renewsAt > planned) report.hold({ name: title, notAfter: leaf.notAfter, renewsAt });
    return renewsAt;
  }
}

/** Notes what a renewal cannot do or cannot keep. */
function noteRenewal(
  { row: { id, name }, leaf, terms }: ReadCertificate,
  { obstacle, rotates }: { obstacle?: string | undefined; rotates: boolean },
  report: Report,
): void {
  const note = (text: string): void =>
    report.note({ kind: 'changed', table: 'certificates', id, name: name ?? '', text });
  const others = terms.otherAltNames?.map(({ type, value }) => `${type} ${value.slice(0, 100)}`) ?? [];
  if (obstacle === 'key-type')
    note(
      `It is not renewed automatically: keys of type ${leaf.keyType} cannot be generated here. ` +
        'Issue a certificate with another key type.',
    );
  else if (rotates && others.length > 0)
    note(`A renewal omits names of types that are not issued here: ${others.join(', ')}.`);
}

function careOf(read: ReadCertificate, context: RowContext, rotationPolicyId: number): CareOfRow {
  const { row } = read;
  const { users, authorities } = context.places;
  const owner = (row.owner ?? '').trim().toLowerCase();
  return {
    owner,
    description: row.description,
    labels: [],
    creatorId: users.get(row.userId ?? 0) ?? null,
    authorityId: authorities.get(row.authorityId ?? 0) ?? null,
    notify: notifyOf(read, context),
    rotation: row.rotation === true,
    rotationPolicyId,
    vouchingRole: owner,
  };
}

function notifyOf({ row, leaf }: ReadCertificate, { now, links, report }: RowContext): boolean {
  if (row.notify !== false) return true;
  const forgotten = links.served.has(row.id) && leaf.notAfter > now && row.status !== 'revoked' && row.deleted !== true;
  if (forgotten)
    report.note({
      kind: 'changed',
      table: 'certificates',
      id: row.id,
      name: row.name ?? '',
      text: 'Notices were off, but an endpoint still serves it: its owner gets notices before it expires.',
    });
  return forgotten;
}

/** 0 to 1; constant for a certificate. */
function shareOf(fingerprint: string): number {
  return Number.parseInt(fingerprint.slice(0, 8), 16) / 0xffff_ffff;
}

/**
 * Detaches a certificate whose serial number another certificate of the issuer has: no authority renews or revokes it.
 */
export function standAlone(row: NewRow, chainPem: readonly string[]): NewRow {
  const [leafPem = ''] = chainPem;
  const { issuerSha256 } = issuedFacts([leafPem]);
  return { ...row, issuerSha256, authorityId: null, nextRenewalAt: null, renewalReason: 'no-issuer' };
}

/** Digest of the relevant columns in Lemur. A certificate imported without its key is looked at again. */
export function digestOfCertificate(
  {
    row: { body: _body, chain: _chain, csr: _csr, privateKey, ...row },
    keyLost,
  }: Pick<ReadCertificate, 'row' | 'keyLost'>,
  links: LemurLinks,
): string {
  if (keyLost) return 'without key';
  const key = privateKey === null ? null : createHash('sha256').update(privateKey).digest('base64url');
  return digestOf([
    row,
    key,
    links.roles.get(row.id),
    links.destinations.get(row.id),
    links.notifications.get(row.id),
    links.replaces.get(row.id),
  ]);
}
