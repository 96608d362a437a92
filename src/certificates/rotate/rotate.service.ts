import { Injectable } from '@nestjs/common';
import { Database, violatedConstraint } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { CertificateAccess } from '../access.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { DeliveryRetry } from '../deploy/delivery-retry.js';
import { type RenewalWishes, Renewing, type SuccessorWishes } from './renewing.js';
import type { RotationView } from './rotate.schema.js';
import { demandRotatable, RotationPreview } from './rotation-preview.js';

/** Renews a certificate on request of a user: at once, or only as a preview. */
@Injectable()
export class RotateService {
  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly access: CertificateAccess,
    private readonly renewing: Renewing,
    private readonly preview: RotationPreview,
    private readonly deliveries: DeliveryRetry,
  ) {}

  /** Returns the id of the successor. Throws Problem `conflict` when there is a successor already. */
  async reissue(actor: Actor, id: number, wishes: RenewalWishes = { notify: true }): Promise<number> {
    const certificate = await this.reissuable(actor, id, wishes);
    try {
      return await this.renewing.renew(actor, certificate, wishes);
    } catch (error) {
      if (violatedConstraint(error) === 'certificate_one_renewal')
        throw new Problem('conflict', `Certificate ${certificate.name} is being renewed already.`);
      throw error;
    }
  }

  /** Previews `reissue`, and throws as it does. */
  async previewReissue(actor: Actor, id: number, wishes: SuccessorWishes = {}): Promise<RotationView> {
    const certificate = await this.reissuable(actor, id, wishes);
    const preview = await this.preview.of(actor, certificate, wishes);
    if (preview.action !== 'reissue')
      throw new Problem('conflict', `Certificate ${certificate.name} is being renewed already.`);
    return preview;
  }

  /** Requests the successor, or delivers an existing one again where it has not arrived. Can be repeated. */
  async rotate(
    actor: Actor,
    id: number,
    { dryRun, notify, profile }: RenewalWishes & { dryRun: boolean },
  ): Promise<RotationView> {
    const certificate = await this.changeable(actor, id);
    demandRotatable(certificate);
    const before = await this.preview.of(actor, certificate, { profile });
    if (before.action === 'reissue') await this.access.demandIssue(actor, certificate);
    if (before.action === 'redeploy' && !actor.permissions.has('delivery:retry'))
      throw new Problem('forbidden', 'To deliver again what has not arrived needs delivery:retry.');
    const told = notify ? before : { ...before, tells: null };
    if (dryRun) return told;
    if (before.action === 'reissue') await this.reissue(actor, id, { notify, profile });
    if (before.action === 'redeploy') await this.deliveries.retryOpen(actor, before.successor?.id ?? 0);
    return { ...told, dryRun: false, ...(await this.outcome(id)) };
  }

  /** The successor and its places after the rotation. */
  private async outcome(id: number): Promise<Partial<RotationView>> {
    const successor = await this.certificates.findSuccessor(this.db.single, id);
    if (!successor) return {};
    const { successor: shown, destinations } = await this.preview.ofSuccessor(successor);
    return { successor: shown, destinations };
  }

  private async reissuable(actor: Actor, id: number, { authorityId }: SuccessorWishes): Promise<Certificate> {
    const certificate = await this.changeable(actor, id);
    await this.access.demandIssue(actor, { authorityId: authorityId ?? certificate.authorityId });
    if (!certificate.renewable)
      throw new Problem('wrong-state', `Certificate ${certificate.name} is ${certificate.state}; it is not renewed.`);
    return certificate;
  }

  private async changeable(actor: Actor, id: number): Promise<Certificate> {
    const certificate = await this.certificates.get(this.db.single, id);
    await this.access.demandChange(this.db.single, actor, certificate);
    return certificate;
  }
}
