import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import type { Reference } from '../../platform/http/reference.js';
import type { Actor } from '../../platform/http/actor.js';
import { CertificateAccess } from '../access.js';
import { CertificateRepository } from '../certificate.repository.js';
import { WatchRepository } from './watch.repository.js';

/** Certificates that a request lists with a subscription, or takes off its list. */
export interface ListChange {
  certificates?: readonly Reference[];
  addedCertificates?: readonly Reference[];
  removedCertificates?: readonly Reference[];
}

/** The certificates that are listed with subscriptions. */
@Injectable()
export class ListedCertificates {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly access: CertificateAccess,
    private readonly watches: WatchRepository,
  ) {}

  /**
   * Adds and removes certificates, and gives their ids for the audit log. Throws Problem `invalid-request` or
   * `forbidden`.
   */
  async change(tx: Tx, actor: Actor, subscriptionId: number, asked: ListChange): Promise<ChangedList> {
    const { certificates = [], addedCertificates = [], removedCertificates = [] } = asked;
    const added = [
      ...(await this.located(tx, actor, 'certificates', certificates)),
      ...(await this.located(tx, actor, 'addedCertificates', addedCertificates)),
    ];
    const removed = await this.located(tx, actor, 'removedCertificates', removedCertificates);
    await this.watches.link(tx, [subscriptionId], added);
    await this.watches.unlink(tx, subscriptionId, removed);
    return {
      ...(added.length > 0 && { certificatesAdded: added }),
      ...(removed.length > 0 && { certificatesRemoved: removed }),
    };
  }

  private async located(tx: Tx, actor: Actor, field: string, references: readonly Reference[]): Promise<number[]> {
    const ids = await this.certificates.resolve(tx, references, field);
    for (const id of ids) await this.access.demandWriteById(tx, actor, id);
    return ids;
  }
}

/** Ids, as the audit log has them. */
export interface ChangedList {
  certificatesAdded?: number[];
  certificatesRemoved?: number[];
}
