import { Injectable } from '@nestjs/common';
import { canMakeKey } from '../../pki/key.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { obstacleTexts } from '../../rotation/due.js';
import { CertificateAccess } from '../access.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { RotateService } from '../rotate/rotate.service.js';
import { type Prepared, type RunHold, type RunKind, RunKinds, RunObstacle, type RunTask } from '../runs/run-kind.js';
import { RunRepository } from '../runs/run.repository.js';
import { StalePredecessor } from '../successors.js';
import { ReplacementHolds } from './replacement-holds.js';
import type { ReplacementExample, ReplacementWishes } from './replacement.schema.js';

const mostDestinations = 20;

/**
 * Runs that replace certificates: each by its renewal, with the rights of the actor of the run. Every successor gets a
 * new key.
 */
@Injectable()
export class ReplacementKind implements RunKind<ReplacementWishes, ReplacementExample> {
  readonly name = 'replacement';
  readonly path = '/replacements';
  readonly permission = 'certificate:issue';
  readonly already = 'already-replaced';

  constructor(
    private readonly db: Database,
    private readonly runs: RunRepository,
    private readonly certificates: CertificateRepository,
    private readonly access: CertificateAccess,
    private readonly rotation: RotateService,
    private readonly holds: ReplacementHolds,
    kinds: RunKinds,
  ) {
    kinds.add(this);
  }

  wishesOf(stored: unknown): ReplacementWishes {
    return stored as ReplacementWishes;
  }

  /** Throws Problem `forbidden` when the actor may not use the authority of the successors. */
  async demand(actor: Actor, _: readonly number[], { authority }: ReplacementWishes): Promise<void> {
    await this.access.demandIssue(actor, { authorityId: authority?.id ?? null });
  }

  settled(
    tx: Tx,
    certificateIds: readonly number[],
    { authority, profile, keyType }: ReplacementWishes,
  ): Promise<Set<number>> {
    const wanted = { authorityId: authority?.id ?? null, profileId: profile?.id ?? null, keyType };
    return this.runs.replacedOf(tx, certificateIds, wanted);
  }

  async prepare(actor: Actor, id: number, wishes: ReplacementWishes): Promise<Prepared<ReplacementExample>> {
    const certificate = await this.replaceable(actor, id, wishes);
    const { successor, destinations } = await this.rotation.previewReissue(actor, id, successorOf(wishes));
    const { authority = null, keyType = '', notAfter = '' } = successor ?? {};
    return {
      hold: await this.holds.of(certificate, wishes),
      example: {
        id,
        name: certificate.name,
        successor: { authority, keyType, notAfter },
        destinations: destinations.slice(0, mostDestinations).map(({ label }) => label),
      },
    };
  }

  async run({ actor, runId, certificateId, wishes, done }: RunTask<ReplacementWishes>): Promise<RunHold | null> {
    const certificate = await this.replaceable(actor, certificateId, wishes);
    const hold = (await this.holds.of(certificate, wishes)) ?? (await this.holds.take(certificate, wishes));
    if (hold) return hold;
    const why = `Replacement run ${runId}: ${wishes.reason}`;
    const renew = (): Promise<number> =>
      this.rotation.reissue(actor, certificateId, { ...successorOf(wishes), notify: wishes.notify, why, also: done });
    await renew().catch((error: unknown) => {
      // Its owner or its places were changed a moment ago.
      if (error instanceof StalePredecessor) return renew();
      throw error;
    });
    return null;
  }

  /** Throws Problem `not-found`, `forbidden`, and RunObstacle. */
  private async replaceable(actor: Actor, id: number, wishes: ReplacementWishes): Promise<Certificate> {
    const certificate = await this.certificates.get(this.db.single, id);
    await this.access.demandChange(this.db.single, actor, certificate);
    const obstacle = obstacleTo(certificate, wishes);
    if (obstacle) throw obstacle;
    // Never two live successors: a person decides whether the CA may still answer.
    const open = await this.certificates.findSuccessor(this.db.single, id);
    if (open && open.bodyPem === null && !(await this.settled(this.db.single, [id], wishes)).has(id))
      throw new RunObstacle(
        'successor-under-way',
        `Its successor ${open.name} (id ${open.id}) is requested elsewhere or with another key, and not issued yet. ` +
          'Cancel that request, then replace the certificate again.',
      );
    return certificate;
  }
}

function successorOf({ authority, profile, keyType }: ReplacementWishes) {
  return {
    ...(profile && { profile: { id: profile.id } }),
    ...(authority && { authorityId: authority.id }),
    ...(keyType !== null && { keyType }),
  };
}

/** What keeps a certificate from being replaced, whoever asks; null when nothing does. */
function obstacleTo(
  certificate: Pick<
    Certificate,
    'state' | 'renewable' | 'authorityId' | 'sealedKey' | 'csrPem' | 'rotation' | 'keyType' | 'toReplace'
  >,
  { authority, keyType, includeRotationOff }: ReplacementWishes,
): RunObstacle | null {
  const { state, renewable, authorityId, sealedKey, csrPem, rotation } = certificate;
  if (!renewable) return new RunObstacle('not-issued', `It is ${state}, not issued.`);
  if (authorityId === null && !authority) return new RunObstacle('no-authority', obstacleTexts.noIssuer);
  // With rotation, it is settled that its successors get keys that are made here.
  if (sealedKey === null && !rotation)
    return new RunObstacle(
      'key-not-here',
      csrPem === null
        ? 'It was imported or discovered without its private key. Whoever runs it must request a new certificate.'
        : 'It was requested with a CSR, so its private key is not here. Whoever has the key must send a new CSR.',
    );
  if (!rotation && !certificate.toReplace && !includeRotationOff)
    return new RunObstacle('rotation-off', 'Rotation is switched off for it; `includeRotationOff` replaces it too.');
  if (!canMakeKey(keyType ?? certificate.keyType)) return new RunObstacle('key-type', obstacleTexts.keyType);
  return null;
}
