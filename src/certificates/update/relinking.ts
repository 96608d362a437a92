import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import { Problem } from '../../platform/http/problem.js';
import type { Certificate } from '../certificate.entity.js';
import type { Links } from '../certificate-links.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Deploying } from '../deploy/deploying.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import { Successors } from '../successors.js';
import type { UpdateRequest } from './update.schema.js';

/** The request of a change, and the objects that it refers to. */
export interface Wishes {
  request: UpdateRequest;
  found: RelationsOfNew;
}

/** The changes of links. `former`: the links that the former owner had; null when the owner stays. */
interface Relink extends Wishes {
  former: Pick<Links, 'roleIds' | 'notificationIds'> | null;
}

/** Changes the links of a certificate: to roles, notifications, destinations and predecessors. */
@Injectable()
export class Relinking {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly deploying: Deploying,
    private readonly relations: Relations,
    private readonly successors: Successors,
  ) {}

  /** Applies the links of the request. `row` has its new owner and settings already. */
  async relink(
    tx: Tx,
    row: Certificate,
    { formerOwner, ...wishes }: Wishes & { formerOwner: string | null },
  ): Promise<void> {
    const links = await this.certificates.linksOf(tx, row.id);
    const relink = {
      ...wishes,
      former: formerOwner === null ? null : await this.relations.ofOwner(tx, formerOwner),
    };
    await this.relinkPeople(tx, row, relink, links);
    if (wishes.request.labels) await this.certificates.setLabels(tx, row, wishes.request.labels);
    if (wishes.request.destinations) await this.relinkDestinations(tx, row, relink, links.destinationIds);
    if (isReplacing(wishes.request)) await this.successors.relink(tx, row, wishes.found.replacesIds);
    await this.successors.settle(tx, row.id);
  }

  /** Roles and notifications. The links of a former owner are removed, even if the client sends them back. */
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
    // A client that sends the whole object back includes the issuer's role, and does not mean to list it.
    const asked = links.listedRoleIds.includes(links.issuerRoleId ?? 0)
      ? found.listedRoleIds
      : without(found.listedRoleIds, [links.issuerRoleId ?? 0]);
    const roleIds = request.roles ? asked : [...links.listedRoleIds, ...asked];
    await this.certificates.setLinks(tx, row.id, 'role', without(roleIds, former?.roleIds ?? []));
    if (!renotify) return;
    const notificationIds = [...(request.notifications ? [] : links.notificationIds), ...named.notificationIds];
    await this.certificates.setSubscriptions(tx, row, without(notificationIds, former?.notificationIds ?? []));
  }

  /** The ids of the certificates that it would newly replace, and that it would no longer replace. */
  async replacing(tx: Tx, row: Certificate, { request, found }: Wishes): Promise<{ added: number[]; freed: number[] }> {
    return isReplacing(request) ? this.successors.changesOf(tx, row, found.replacesIds) : { added: [], freed: [] };
  }

  private async relinkDestinations(
    tx: Tx,
    row: Certificate,
    { found }: Relink,
    attachedIds: readonly number[],
  ): Promise<void> {
    const addedIds = without(found.destinationIds, attachedIds);
    if (addedIds.length > 0 && !['requested', 'pending', 'issued'].includes(row.state)) {
      throw new Problem('wrong-state', `Certificate ${row.name} is ${row.state}; it is not delivered any more.`);
    }
    await this.deploying.takeBack(tx, row.id, addedIds);
    await this.deploying.plan(tx, row.id, addedIds, row.bodyPem !== null);
    await this.successors.deliverTo(tx, row.id, addedIds);
    await this.deploying.detach(tx, row.id, without(attachedIds, found.destinationIds));
  }
}

function isReplacing({ replaces, replacements }: UpdateRequest): boolean {
  return replaces !== undefined || replacements !== undefined;
}

function without(ids: readonly number[], gone: readonly number[]): number[] {
  return ids.filter((id) => !gone.includes(id));
}
