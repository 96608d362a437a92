import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { CertificateAccess } from '../access.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { RelationRights } from '../relation-rights.js';
import { Relations } from '../relations.js';
import { Relinking, type Wishes } from './relinking.js';

/**
 * Checks the right of an actor to change a certificate as requested: a right on every object that the change affects.
 */
@Injectable()
export class UpdateRights {
  constructor(
    private readonly access: CertificateAccess,
    private readonly certificates: CertificateRepository,
    private readonly relations: Relations,
    private readonly relationRights: RelationRights,
    private readonly relinking: Relinking,
  ) {}

  /** Demands the right to change anything. Throws Problem `forbidden`, or `wrong-state` when it is deleted. */
  demandAny(tx: Tx, actor: Actor, certificate: Certificate): Promise<void> {
    return this.access.demandChange(tx, actor, certificate);
  }

  /**
   * Demands the rights for the whole request, on the objects as `tx` reads them now. `row` is the certificate before
   * the change. Throws Problem `forbidden`, `wrong-state`.
   */
  async demand(tx: Tx, actor: Actor, row: Certificate, wishes: Wishes): Promise<void> {
    const {
      request: { owner = row.owner, roles },
      found,
    } = wishes;
    await this.access.demandChange(tx, actor, row);
    const { roleIds, destinationIds } = await this.certificates.linksOf(tx, row.id);
    const sameRoles = roles === undefined || roles.every((role) => role.id !== undefined && roleIds.includes(role.id));
    if (owner !== row.owner || !sameRoles) await this.access.demandHandOver(tx, actor, row);
    if (owner !== row.owner) this.relationRights.demandOwner(actor, owner);
    await this.demandDelivery(
      tx,
      actor,
      row,
      found.destinationIds.filter((id) => !destinationIds.includes(id)),
    );
    await this.demandWarnings(tx, actor, row, wishes);
    const { added, freed } = await this.relinking.replacing(tx, row, wishes);
    await this.relationRights.demandReplacing(tx, actor, [...added, ...freed]);
    await this.relationRights.demandSilence(tx, actor, added);
  }

  /** Protects the notices of other owners that a source reports. Throws when the change would end them. */
  private async demandWarnings(tx: Tx, actor: Actor, row: Certificate, { request, found }: Wishes): Promise<void> {
    const { notify, active, roles, notifications } = request;
    const silenced = row.notify && [notify, active].includes(false);
    if (!silenced && !roles && !notifications) return;
    const links = await this.certificates.linksOf(tx, row.id);
    for (const owner of await this.access.othersWarned(tx, actor, row)) {
      const usual = await this.relations.ofOwner(tx, owner);
      const lost =
        (roles && isAnyLost(usual.roleIds, links.roleIds, found.roleIds)) ||
        (notifications && isAnyLost(usual.notificationIds, links.notificationIds, found.notificationIds));
      if (silenced || lost) await this.access.demandSilence(tx, actor, row);
    }
  }

  /**
   * The successors of a certificate are delivered to the same destinations: the actor needs a right to their keys too.
   */
  private async demandDelivery(tx: Tx, actor: Actor, row: Certificate, addedIds: readonly number[]): Promise<void> {
    if (addedIds.length === 0) return;
    await this.access.demandDelivery(tx, actor, row, addedIds);
    for (
      let successor = await this.certificates.findSuccessor(tx, row.id);
      successor;
      successor = await this.certificates.findSuccessor(tx, successor.id)
    ) {
      await this.access.demandChange(tx, actor, successor);
      await this.access.demandDelivery(tx, actor, successor, addedIds);
    }
  }
}

function isAnyLost(usual: readonly number[], before: readonly number[], after: readonly number[]): boolean {
  return usual.some((id) => before.includes(id) && !after.includes(id));
}
