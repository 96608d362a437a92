import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isSelfIssued } from '../../pki/certificate.js';
import { nextNoticeAt } from '../../notifications/lead-time.js';
import { PkiError } from '../../pki/pki-error.js';
import { keyWeakness, type KnownKeys } from '../../pki/weak-keys.js';
import { Clock } from '../../platform/clock.js';
import { KnownBadKeys } from '../../platform/known-bad-keys.js';
import { privateKeyPem } from '../../platform/key-maker.js';
import { KeyRing } from '../../platform/secrets/key-ring.js';
import { noSuccession, planRenewal } from '../../rotation/due.js';
import type { NewRow } from '../certificate.repository.js';
import { issuedFacts } from '../issued-facts.js';
import { baseName, type CareOfRow, keyPlace, rowBeforeIssue } from '../issue/new-row.js';
import type { RelationsOfNew } from '../relations.js';
import type { Uploaded } from './uploaded.js';

/**
 * How an imported certificate is identified. `name`: its name here. `externalId`: its id at its CA. `issuerPem`: the
 * certificate of its issuer, when the chain lacks it.
 */
export interface ImportedIdentity {
  name?: string;
  externalId?: string;
  issuerPem?: string;
}

/** Makes the rows to insert for certificates that are uploaded or found by a source, as if they were issued here. */
@Injectable()
export class ImportedRows {
  constructor(
    private readonly clock: Clock,
    private readonly keyRing: KeyRing,
    private readonly knownBadKeys: KnownBadKeys,
  ) {}

  /** The row of one certificate, with its renewal and its next warning planned. Seals the private key. */
  make(
    { leaf, terms, privateKey, chainPem, csrPem }: Uploaded,
    care: CareOfRow,
    { policy, leadsS, hearsDefaults }: Pick<RelationsOfNew, 'policy' | 'leadsS' | 'hearsDefaults'>,
    identity: ImportedIdentity,
  ): NewRow {
    const secretId = randomUUID();
    const sealedKey = privateKey && this.keyRing.seal(privateKeyPem(privateKey), keyPlace(secretId));
    const now = this.clock.now();
    const before = rowBeforeIssue(
      care,
      { spkiDer: leaf.spkiDer, keyType: leaf.keyType, bits: leaf.bits, csrPem, secretId, sealedKey },
      terms,
    );
    const plan = planRenewal(
      { ...before, ...leaf, state: 'issued', hasIssuer: care.authorityId !== null, ...noSuccession },
      policy,
    );
    const watching = care.notify && leaf.notAfter > now;
    return {
      ...before,
      ...issuedFacts(chainPem, identity.externalId, identity.issuerPem),
      keyWeakness: weaknessOf(leaf.spkiDer, this.knownBadKeys),
      state: 'issued',
      hearsDefaults,
      createdAt: now,
      name: baseName(identity.name, {
        terms,
        issuer: { ...leaf.issuerFields, selfSigned: isSelfIssued(leaf) },
        notBefore: leaf.notBefore,
        notAfter: leaf.notAfter,
      }),
      nextRenewalAt: plan.at,
      renewalReason: plan.obstacle ?? plan.reason,
      nextNoticeAt: watching ? nextNoticeAt(leaf, leadsS) : null,
    };
  }
}

/**
 * The weakness of a key, or null. A certificate from elsewhere is stored whatever its key, even one that cannot be
 * read.
 */
export function weaknessOf(spkiDer: Buffer, known: KnownKeys): string | null {
  try {
    return keyWeakness(spkiDer, known);
  } catch (error) {
    if (error instanceof PkiError) return null;
    throw error;
  }
}
