import { Injectable } from '@nestjs/common';
import type { Notification } from '../../notifications/notification.repository.js';
import type { NotificationRequest } from '../../notifications/notification.schema.js';
import { replanSubscription } from '../../notifications/notifications.jobs.js';
import { Clock } from '../../platform/clock.js';
import type { Tx } from '../../platform/db/database.js';
import type { Reference } from '../../platform/http/reference.js';
import type { Actor } from '../../platform/http/actor.js';
import { CertificateAccess } from '../access.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Coverage } from './coverage.js';
import { WatchRepository } from './watch.repository.js';

/** What a change of a notification means for the certificates that it warns about. */
@Injectable()
export class WatchingService {
  constructor(
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly access: CertificateAccess,
    private readonly watches: WatchRepository,
    private readonly coverage: Coverage,
  ) {}

  /**
   * In the transaction of a change: adds and removes certificates, and gives their ids. Throws Problem
   * `invalid-request` or `forbidden`.
   */
  async changed(
    tx: Tx,
    actor: Actor,
    notification: Notification,
    { certificates = [], addedCertificates = [], removedCertificates = [] }: NotificationRequest,
  ): Promise<object> {
    const { id, active } = notification;
    const now = this.clock.now();
    const added = [
      ...(await this.located(tx, actor, 'certificates', certificates)),
      ...(await this.located(tx, actor, 'addedCertificates', addedCertificates)),
    ];
    const removed = await this.located(tx, actor, 'removedCertificates', removedCertificates);
    await this.watches.link(tx, [id], added);
    if (added.length > 0) await replanSubscription.enqueue(tx, { subscriptionId: id, after: 0 });
    const bound = await this.watches.boundTo(tx, id, now);
    await this.watches.unlink(tx, id, removed);
    await this.coverage.cover(tx, active ? bound.filter((certificate) => removed.includes(certificate.id)) : bound);
    return {
      ...(added.length > 0 && { certificatesAdded: added }),
      ...(removed.length > 0 && { certificatesRemoved: removed }),
    };
  }

  /** Before it is deleted; what comes back is done afterwards, so that a default notification can be made anew. */
  async removing(tx: Tx, { id }: Notification): Promise<() => Promise<void>> {
    const bound = await this.watches.boundTo(tx, id, this.clock.now());
    return () => this.coverage.cover(tx, bound);
  }

  private async located(tx: Tx, actor: Actor, field: string, references: readonly Reference[]): Promise<number[]> {
    const ids = await this.certificates.resolve(tx, references, field);
    for (const id of ids) await this.access.demandWriteById(tx, actor, id);
    return ids;
  }
}
