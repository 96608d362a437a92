import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import type { Reference } from '../../platform/http/reference.js';
import type { Actor } from '../../platform/http/actor.js';
import { CertificateAccess } from '../access.js';
import { CertificateRepository } from '../certificate.repository.js';

/** The certificates that a request adds to the list of a subscription or removes from it. */
export interface ListChange {
  certificates?: readonly Reference[];
  addedCertificates?: readonly Reference[];
  removedCertificates?: readonly Reference[];
}

/** Adds certificates to the list of a subscription, and removes them from it. */
@Injectable()
export class ListedCertificates {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly access: CertificateAccess,
  ) {}

  /**
   * Returns the ids for the audit log. Demands the right to change every certificate. Throws Problem `invalid-request`
   * or `forbidden`.
   */
  async change(tx: Tx, actor: Actor, subscriptionId: number, asked: ListChange): Promise<ChangedList> {
    const { certificates = [], addedCertificates = [], removedCertificates = [] } = asked;
    const added = [
      ...(await this.located(tx, actor, 'certificates', certificates)),
      ...(await this.located(tx, actor, 'addedCertificates', addedCertificates)),
    ];
    const removed = await this.located(tx, actor, 'removedCertificates', removedCertificates);
    await this.certificates.lockLines(tx, [...added, ...removed]);
    await this.relist(tx, added, (ids) => [...new Set([...ids, subscriptionId])]);
    await this.relist(tx, removed, (ids) => ids.filter((id) => id !== subscriptionId));
    return {
      ...(added.length > 0 && { certificatesAdded: added }),
      ...(removed.length > 0 && { certificatesRemoved: removed }),
    };
  }

  private async relist(
    tx: Tx,
    certificateIds: readonly number[],
    change: (subscriptionIds: readonly number[]) => readonly number[],
  ): Promise<void> {
    for (const certificate of await this.certificates.getMany(tx, certificateIds)) {
      const { notificationIds } = await this.certificates.linksOf(tx, certificate.id);
      await this.certificates.setSubscriptions(tx, certificate, change(notificationIds));
    }
  }

  private async located(tx: Tx, actor: Actor, field: string, references: readonly Reference[]): Promise<number[]> {
    const ids = await this.certificates.resolve(tx, references, field);
    await this.access.demandWriteById(tx, actor, ...ids);
    return ids;
  }
}

/** The ids of the certificates that were added and removed, for the audit log. */
export interface ChangedList {
  certificatesAdded?: number[];
  certificatesRemoved?: number[];
}
