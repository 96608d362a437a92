import { Injectable } from '@nestjs/common';
import type { ParsedCertificate } from '../../pki/certificate.js';
import { parseCrl } from '../../pki/crl-reader.js';
import { REVOCATION_REASONS } from '../../pki/distribution-points.js';
import { certificatesIn } from '../../pki/issued-chain.js';
import { namedSan } from '../../pki/path/server-name.js';
import { toPem } from '../../pki/pem.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { FairQueue } from '../../platform/fair-queue.js';
import type { Actor } from '../../platform/http/actor.js';
import { blame } from '../../platform/http/blame.js';
import { invalid } from '../../platform/http/problem.js';
import type { RevocationFacts } from '../../revocation/verify/revocation-check.js';
import { type KnownStatus, Verification, type Verified } from '../../revocation/verify/verification.js';
import { RevocationCheckRepository } from './revocation-check.repository.js';
import type { VerifyRequest, VerifyStoredRequest } from './verify.schema.js';

/** More would not be looked at: a search verifies at most a hundred signatures. */
const mostCertificates = 200;

/** Verifies the certificates of anybody. Few at once: each may ask several hosts. */
@Injectable()
export class VerifyService {
  private readonly queue = new FairQueue({ atOnce: 16, mostWaiting: 200, mostWaitingOfUser: 20 });

  constructor(
    private readonly clock: Clock,
    private readonly db: Database,
    private readonly verification: Verification,
    private readonly checks: RevocationCheckRepository,
  ) {}

  /** Throws Problem `invalid-request` for what cannot be read, and `unavailable` when too many wait. */
  async verify(actor: Actor, request: VerifyRequest): Promise<Verified> {
    const [leaf, ...intermediates] = readCertificates('chain', request.chain);
    const crls = request.crls.map((pem, at) => blame(`crls.${at}`, () => parseCrl(Buffer.from(pem, 'latin1'))));
    if (!leaf) throw invalid('chain', 'Expected a certificate');
    return this.run(actor, { leaf, intermediates, crls }, request);
  }

  /** A certificate, the issuers and CRLs that are known of it, and what is demanded. Throws as `verify`. */
  run(
    { userId }: Pick<Actor, 'userId'>,
    given: {
      leaf: ParsedCertificate;
      intermediates: readonly ParsedCertificate[];
      crls?: ReturnType<typeof parseCrl>[];
    },
    { purpose, name, time, strictness, policies, trust, anchors, revocation }: VerifyStoredRequest,
  ): Promise<Verified> {
    const ask = {
      ...given,
      crls: given.crls ?? [],
      anchors: anchors === undefined ? [] : readCertificates('anchors', anchors),
      trust: trust ?? (anchors === undefined ? (['authorities', 'system'] as const) : []),
      withRevocation: revocation,
      demands: {
        at: time ?? this.clock.now(),
        strictness,
        purposes: purpose === undefined ? [] : [purpose],
        ...(name !== undefined && { name: blame('name', () => namedSan(name)) }),
        policies: policies === undefined ? {} : { accepted: policies, required: true },
      },
    };
    return this.queue.run(userId, () => this.verification.verify(ask, this.known));
  }

  /** The database answers for the certificates of CAs whose key is here. */
  readonly known: KnownStatus = async ({ fingerprintSha256, der }): Promise<RevocationFacts | null> => {
    const own = await this.checks.ownStatus(this.db.single, fingerprintSha256, toPem('CERTIFICATE', der));
    if (!own) return null;
    const { isRevoked, revokedAt, revocationReason } = own;
    if (!isRevoked || !revokedAt) return { status: 'good', why: 'Issued here and not revoked', source: 'authority' };
    const reason = REVOCATION_REASONS[revocationReason ?? 0];
    return { status: 'revoked', why: 'Revoked here', source: 'authority', revokedAt, ...(reason && { reason }) };
  };
}

function readCertificates(field: string, text: string): ParsedCertificate[] {
  return blame(field, () => {
    const found = certificatesIn(Buffer.from(text, 'latin1'));
    if (found.length > mostCertificates) throw invalid(field, `Expected at most ${mostCertificates} certificates`);
    return found;
  });
}
