import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { lastChanceAt } from '../../notifications/lead-time.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { invalid, Problem } from '../../platform/http/problem.js';
import { CertificateAccess } from '../access.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { type LastingProblem, lastingProblems } from '../../notifications/subscription.schema.js';
import { AcknowledgementRepository } from './acknowledgement.repository.js';
import {
  type AcknowledgementRequest,
  acknowledgementView,
  type AcknowledgementView,
} from './acknowledgement.schema.js';
import { NoticeRepository } from './notice.repository.js';

/** Lets users say that they take care of an event of a certificate, so that its notices wait. */
@Injectable()
export class AcknowledgementService {
  constructor(
    private readonly clock: Clock,
    private readonly db: Database,
    private readonly audit: Audit,
    private readonly access: CertificateAccess,
    private readonly certificates: CertificateRepository,
    private readonly notices: NoticeRepository,
    private readonly acknowledgements: AcknowledgementRepository,
  ) {}

  /** Throws Problem `not-found`. */
  async list(certificateId: number): Promise<AcknowledgementView[]> {
    await this.access.demandKnown(this.db.single, certificateId);
    return (await this.acknowledgements.list(this.db.single, certificateId)).map(acknowledgementView);
  }

  /**
   * Throws Problem `forbidden` unless the actor may change the certificate and end its warnings, `invalid-request` when
   * `until` is too late, and `wrong-state` when the certificate expires too soon.
   */
  put(
    actor: Actor,
    certificateId: number,
    event: string,
    request: AcknowledgementRequest,
  ): Promise<AcknowledgementView> {
    const asked = demandEvent(event);
    return this.db.write(async (tx) => {
      const certificate = await this.lock(tx, actor, certificateId);
      const now = this.clock.now();
      const until = endOf(certificate, request.until, now);
      const row = { certificateId, event: asked, until, reason: request.reason };
      await this.acknowledgements.put(tx, { ...row, creatorId: actor.userId || null, createdAt: now });
      await this.notices.moveAcknowledged(tx, certificateId, asked, until);
      const view = await this.view(tx, certificateId, asked);
      await this.record(tx, actor, 'certificate.acknowledged', certificateId, view);
      return view;
    });
  }

  /** What waits is sent. Throws as `put`, and Problem `not-found` when there is nothing to end. */
  async remove(actor: Actor, certificateId: number, event: string): Promise<void> {
    const asked = demandEvent(event);
    await this.db.write(async (tx) => {
      await this.lock(tx, actor, certificateId);
      if (!(await this.acknowledgements.remove(tx, certificateId, asked)))
        throw new Problem('not-found', `Nobody has acknowledged ${asked} of certificate ${certificateId}.`);
      await this.notices.releaseAcknowledged(tx, certificateId, asked, this.clock.now());
      await this.record(tx, actor, 'certificate.unacknowledged', certificateId, { event: asked });
    });
  }

  private async lock(tx: Tx, actor: Actor, id: number): Promise<Certificate> {
    const certificate = await this.certificates.lock(tx, id);
    await this.access.demandChange(tx, actor, certificate);
    await this.access.demandSilence(tx, actor, certificate);
    return certificate;
  }

  private async view(tx: Tx, certificateId: number, event: LastingProblem): Promise<AcknowledgementView> {
    const found = (await this.acknowledgements.list(tx, certificateId)).find((row) => row.event === event);
    if (!found) throw new Error(`The acknowledgement of ${event} of certificate ${certificateId} is lost.`);
    return acknowledgementView(found);
  }

  private async record(tx: Tx, actor: Actor, action: string, targetId: number, after: object): Promise<void> {
    await this.audit.record(tx, actor, { action, targetType: 'certificate', targetId, after });
  }
}

function demandEvent(event: string): LastingProblem {
  const found = lastingProblems.find((one) => one === event);
  if (!found) throw invalid('event', `Only these can be acknowledged: ${lastingProblems.join(', ')}.`);
  return found;
}

/** No acknowledgement delays the last warning: somebody may have forgotten what they took care of. */
function endOf(certificate: Certificate, until: Date | undefined, now: Date): Date {
  const { id, serialHex } = certificate;
  if (serialHex === null) throw new Problem('wrong-state', `Certificate ${id} is not issued.`);
  const latest = lastChanceAt(certificate);
  if (latest <= now)
    throw new Problem('wrong-state', `Certificate ${id} expires too soon: its last warnings cannot wait.`);
  if (until && until <= now) throw invalid('until', 'Must be in the future.');
  if (until && until > latest)
    throw invalid('until', `Must not be after ${latest.toISOString()}, when the last warnings are due.`);
  return until ?? latest;
}
