import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import { Problem } from '../../platform/http/problem.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Deploying } from '../deploy/deploying.js';
import { Planning } from '../planning.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import type { UpdateRequest } from './update.schema.js';

/** A change that has been found possible and allowed. */
export interface Change { before: Certificate; request: UpdateRequest; found: RelationsOfNew }

interface Links { roleIds: number[]; notificationIds: number[] }

/** What a change does to links. `former`: what goes with the former owner, null when the owner stays. */
interface Relink extends Omit<Change, 'before'> { former: Links | null }

/** Links a certificate anew with roles, notifications, destinations and what it replaces. */
@Injectable()
export class Relinking {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly deploying: Deploying,
    private readonly relations: Relations,
    private readonly planning: Planning,
  ) {}

  /** `row` is the certificate with its new owner and switches. */
  async relink(tx: Tx, row: Certificate, { before, ...change }: Change): Promise<void> {
    const links = await this.certificates.linksOf(tx, row.id);
    const relink = { ...change, former: row.owner === before.owner ? null : await this.linksOfFormer(tx, before) };
    await this.relinkPeople(tx, row, relink, links);
    const replacesIds = await this.relinkReplaced(tx, row, relink);
    await this.relinkDestinations(tx, row, { ...relink, attachedIds: links.destinationIds, replacesIds });
  }

  /** Roles and notifications. Those of a former owner go with the owner, also where a client sends them back with the whole object. */
  private async relinkPeople(tx: Tx, row: Certificate, { request, found, former }: Relink, links: Links): Promise<void> {
    const renotify = former !== null || request.notifications !== undefined;
    const named = await this.relations.complete(tx, renotify ? found : { ...found, missing: { ...found.missing, notifications: [] } });
    const roleIds = [...request.roles ? [] : links.roleIds, ...named.roleIds];
    await this.certificates.setLinks(tx, row.id, 'role', without(roleIds, former?.roleIds ?? []));
    if (!renotify) return;
    const notificationIds = [...request.notifications ? [] : links.notificationIds, ...named.notificationIds];
    await this.certificates.setLinks(tx, row.id, 'notification', without(notificationIds, former?.notificationIds ?? []));
  }

  /** What it had only because it belonged to this owner. The role stays where the authority that issued it belongs to the same. */
  private async linksOfFormer(tx: Tx, { id, owner }: Certificate): Promise<Links> {
    const former = await this.relations.ofOwner(tx, owner);
    return await this.certificates.isOfAuthorityOwner(tx, id, owner) ? { ...former, roleIds: [] } : former;
  }

  /** Ids of what it replaces from now on and has not replaced before. What it renews stays replaced by it. */
  private async relinkReplaced(tx: Tx, row: Certificate, { request, found }: Relink): Promise<number[]> {
    if (!request.replaces && !request.replacements) return [];
    const before = await this.certificates.predecessorsOf(tx, row.id);
    const after = [...without(found.replacesIds, [row.id]), ...(row.renewsId === null ? [] : [row.renewsId])];
    await this.certificates.setLinks(tx, row.id, 'replaced', after);
    for (const id of without(before, after)) await this.certificates.change(tx, id, (freed) => this.planning.planRenewal(tx, freed));
    return without(after, before);
  }

  private async relinkDestinations(tx: Tx, row: Certificate, { request, found, attachedIds, replacesIds }: Relink & { attachedIds: number[]; replacesIds: number[] }): Promise<void> {
    const destinationIds = request.destinations ? found.destinationIds : attachedIds;
    const addedIds = without(destinationIds, attachedIds);
    if (addedIds.length > 0 && !['requested', 'pending', 'issued'].includes(row.state)) {
      throw new Problem('wrong-state', `Certificate ${row.name} is ${row.state}; it is not delivered any more.`);
    }
    await this.deploying.takeBack(tx, row.id, addedIds);
    await this.relations.follow(tx, row.id, { destinationIds, replacesIds }, row.bodyPem !== null);
    const successor = addedIds.length > 0 ? await this.certificates.findSuccessor(tx, row.id) : null;
    // Its successor was requested before these destinations were added: without it they would keep the old certificate.
    if (successor) await this.deploying.plan(tx, successor.id, addedIds, successor.bodyPem !== null);
    await this.deploying.detach(tx, row.id, without(attachedIds, destinationIds));
    await this.deploying.settle(tx, row.id);
  }
}

function without(ids: readonly number[], gone: readonly number[]): number[] {
  return ids.filter((id) => !gone.includes(id));
}
