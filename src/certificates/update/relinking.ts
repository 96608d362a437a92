import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import { Problem } from '../../platform/http/problem.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository, type Links } from '../certificate.repository.js';
import { Deploying } from '../deploy/deploying.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import { Succession } from '../succession.js';
import type { UpdateRequest } from './update.schema.js';

/** What a request wants, and what it names, found. */
export interface Wishes {
  request: UpdateRequest;
  found: RelationsOfNew;
}

/** What a change does to links. `former`: what goes with the former owner, null when the owner stays. */
interface Relink extends Wishes {
  former: Pick<Links, 'roleIds' | 'notificationIds'> | null;
}

/** Links a certificate anew with roles, notifications, destinations and what it replaces. */
@Injectable()
export class Relinking {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly deploying: Deploying,
    private readonly relations: Relations,
    private readonly succession: Succession,
  ) {}

  /** `row` is the certificate with its new owner and switches. */
  async relink(
    tx: Tx,
    row: Certificate,
    { formerOwner, ...wishes }: Wishes & { formerOwner: string | null },
  ): Promise<void> {
    const links = await this.certificates.linksOf(tx, row.id);
    const relink = {
      ...wishes,
      former: formerOwner === null ? null : await this.linksOfFormer(tx, formerOwner, links),
    };
    await this.relinkPeople(tx, row, relink, links);
    const replacesIds = await this.relinkReplaced(tx, row, relink);
    await this.relinkDestinations(tx, row, { ...relink, attachedIds: links.destinationIds, replacesIds });
  }

  /**
   * Roles and notifications. Those of a former owner go with the owner, also where a client sends them back with the
   * whole object.
   */
  private async relinkPeople(
    tx: Tx,
    row: Certificate,
    { request, found, former }: Relink,
    links: Links,
  ): Promise<void> {
    const renotify = former !== null || request.notifications !== undefined;
    const named = await this.relations.complete(
      tx,
      renotify ? found : { ...found, missing: { ...found.missing, notifications: [] } },
    );
    // What is there because of the issuer is not for the owner to take away.
    const roleIds = [...(request.roles ? links.issuerRoleIds : links.roleIds), ...named.roleIds];
    await this.certificates.setLinks(tx, row.id, 'role', without(roleIds, former?.roleIds ?? []));
    if (!renotify) return;
    const notificationIds = [...(request.notifications ? [] : links.notificationIds), ...named.notificationIds];
    await this.certificates.setLinks(
      tx,
      row.id,
      'notification',
      without(notificationIds, former?.notificationIds ?? []),
    );
  }

  /** What it had only because it belonged to this owner. The role stays where it is linked because of the issuer. */
  private async linksOfFormer(tx: Tx, owner: string, { issuerRoleIds }: Links): Promise<NonNullable<Relink['former']>> {
    const former = await this.relations.ofOwner(tx, owner);
    return { ...former, roleIds: without(former.roleIds, issuerRoleIds) };
  }

  /**
   * Ids of what it replaces from now on, of what is new among them, and of what it no longer replaces. What it renews
   * stays replaced by it.
   */
  async replacing(
    tx: Tx,
    row: Certificate,
    { request, found }: Wishes,
  ): Promise<{ after: number[]; added: number[]; freed: number[] }> {
    const before = await this.certificates.predecessorsOf(tx, row.id);
    if (!request.replaces && !request.replacements) return { after: before, added: [], freed: [] };
    const after = [
      ...new Set([...without(found.replacesIds, [row.id]), ...(row.renewsId === null ? [] : [row.renewsId])]),
    ];
    return { after, added: without(after, before), freed: without(before, after) };
  }

  /**
   * Ids of what it has not replaced before. Throws as `Succession.demandHeir`. What it no longer replaces is watched
   * and renews once more, if it had made room for it.
   */
  private async relinkReplaced(tx: Tx, row: Certificate, relink: Relink): Promise<number[]> {
    const { after, added, freed } = await this.replacing(tx, row, relink);
    for (const id of added) await this.succession.demandHeir(tx, row, id);
    await this.certificates.setLinks(tx, row.id, 'replaced', after);
    for (const id of row.bodyPem === null ? [] : freed) await this.succession.released(tx, id, row);
    return added;
  }

  private async relinkDestinations(
    tx: Tx,
    row: Certificate,
    { request, found, attachedIds, replacesIds }: Relink & { attachedIds: number[]; replacesIds: number[] },
  ): Promise<void> {
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
