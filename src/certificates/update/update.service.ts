import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { CertificateAccess } from '../access.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Deploying } from '../deploy/deploying.js';
import { Planning } from '../planning.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import type { UpdateRequest } from './update.schema.js';

/** What a change does to links. */
interface Relinking { request: UpdateRequest; found: RelationsOfNew; formerOwner: string }

/** The consequences of a change. */
@Injectable()
export class UpdateChanges {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly deploying: Deploying,
    private readonly relations: Relations,
    private readonly planning: Planning,
    private readonly audit: Audit,
  ) {}

  async relink(tx: Tx, row: Certificate, relinking: Relinking): Promise<void> {
    const links = await this.certificates.linksOf(tx, row.id);
    await this.relinkPeople(tx, row, relinking, links);
    const replacesIds = await this.relinkReplaced(tx, row, relinking);
    await this.relinkDestinations(tx, row, { ...relinking, attachedIds: links.destinationIds, replacesIds });
  }

  /** Roles and notifications. Those of a former owner go with the owner. */
  private async relinkPeople(tx: Tx, row: Certificate, { request, found, formerOwner }: Relinking, links: { roleIds: number[]; notificationIds: number[] }): Promise<void> {
    const handedOver = row.owner !== formerOwner;
    const former = handedOver ? await this.relations.ofOwner(tx, formerOwner) : { roleIds: [], notificationIds: [] };
    const renotify = handedOver || request.notifications !== undefined;
    const { roleIds, notificationIds } = await this.relations.complete(tx, renotify ? found : { ...found, missing: { ...found.missing, notifications: [] } });
    await this.certificates.setLinks(tx, row.id, 'role', request.roles ? roleIds : [...without(links.roleIds, former.roleIds), ...roleIds]);
    if (!renotify) return;
    const kept = request.notifications ? [] : without(links.notificationIds, former.notificationIds);
    await this.certificates.setLinks(tx, row.id, 'notification', [...kept, ...notificationIds]);
  }

  /** Ids of what it replaces from now on and has not replaced before. What it renews stays replaced by it. */
  private async relinkReplaced(tx: Tx, row: Certificate, { request, found }: Relinking): Promise<number[]> {
    if (!request.replaces && !request.replacements) return [];
    const before = await this.certificates.predecessorsOf(tx, row.id);
    const after = [...without(found.replacesIds, [row.id]), ...(row.renewsId === null ? [] : [row.renewsId])];
    await this.certificates.setLinks(tx, row.id, 'replaced', after);
    for (const id of without(before, after)) await this.certificates.change(tx, id, (freed) => this.planning.planRenewal(tx, freed));
    return without(after, before);
  }

  private async relinkDestinations(tx: Tx, row: Certificate, { request, found, attachedIds, replacesIds }: Relinking & { attachedIds: number[]; replacesIds: number[] }): Promise<void> {
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

  replan(tx: Tx, row: Certificate): Promise<void> {
    return this.planning.plan(tx, row);
  }

  record(tx: Tx, actor: Actor, before: Certificate, { request, found }: Pick<Relinking, 'request' | 'found'>): Promise<void> {
    const { owner, description, notify, rotation } = before;
    return this.audit.record(tx, actor, {
      action: 'certificate.updated', targetType: 'certificate', targetId: before.id,
      before: { owner, description, notify, rotation },
      after: {
        owner: request.owner, description: request.description, notify: request.notify, rotation: request.rotation,
        destinationIds: found.destinationIds, replacesIds: found.replacesIds, roleIds: found.roleIds,
      },
    });
  }
}

function without(ids: readonly number[], gone: readonly number[]): number[] {
  return ids.filter((id) => !gone.includes(id));
}

/** Changes who looks after a certificate and how; what it certifies never changes. */
@Injectable()
export class UpdateService {
  constructor(
    private readonly db: Database,
    private readonly access: CertificateAccess,
    private readonly certificates: CertificateRepository,
    private readonly relations: Relations,
    private readonly changes: UpdateChanges,
  ) {}

  async update(actor: Actor, id: number, request: UpdateRequest): Promise<void> {
    const before = await this.certificates.get(this.db.single, id);
    await this.access.demandWrite(this.db.single, actor, before);
    await this.demandRights(actor, before, request);
    const owner = request.owner ?? before.owner;
    const wishes = { ...request, owner, rotationPolicy: request.rotationPolicy ?? { id: before.rotationPolicyId } };
    const found = await this.relations.ofNew(actor, wishes, [owner]);
    const { destinationIds } = await this.certificates.linksOf(this.db.single, id);
    const attached = found.destinationIds.filter((one) => !destinationIds.includes(one));
    await this.access.demandDelivery(this.db.single, actor, before, attached);
    if (!before.sealedKey) await this.relations.demandKeyless(attached);
    await this.db.write(async (tx) => {
      await this.certificates.change(tx, id, async (row) => {
        this.assign(row, request, found);
        await this.changes.relink(tx, row, { request, found, formerOwner: before.owner });
        await this.changes.replan(tx, row);
      });
      await this.changes.record(tx, actor, before, { request, found });
    });
  }

  private async demandRights(actor: Actor, before: Certificate, { owner, roles }: UpdateRequest): Promise<void> {
    const { roleIds } = await this.certificates.linksOf(this.db.single, before.id);
    const sameRoles = roles === undefined || roles.every((role) => role.id !== undefined && roleIds.includes(role.id));
    if ((owner !== undefined && owner !== before.owner) || !sameRoles) await this.access.demandHandOver(this.db.single, actor, before);
  }

  private assign(row: Certificate, request: UpdateRequest, { policy }: RelationsOfNew): void {
    row.owner = request.owner ?? row.owner;
    row.description = request.description === undefined ? row.description : request.description;
    // Clients send the whole object back, with both names of the switch: the one that was changed counts.
    row.notify = [request.notify, request.active].find((asked) => asked !== undefined && asked !== row.notify) ?? row.notify;
    row.rotation = request.rotation ?? row.rotation;
    row.rotationPolicyId = policy.id;
  }
}
