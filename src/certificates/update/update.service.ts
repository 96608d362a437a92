import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
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

  async relink(tx: Tx, row: Certificate, { request, found, formerOwner }: Relinking): Promise<void> {
    const named = (refs: readonly unknown[] | undefined): boolean => refs !== undefined;
    const links = await this.certificates.linksOf(tx, row.id);
    const former = row.owner === formerOwner ? { roleIds: [], notificationIds: [] } : await this.relations.ofOwner(tx, formerOwner);
    const without = (ids: readonly number[], gone: readonly number[]): number[] => ids.filter((id) => !gone.includes(id));
    const roleIds = named(request.roles) ? found.roleIds : [...without(links.roleIds, former.roleIds), ...found.roleIds];
    await this.certificates.setLinks(tx, row.id, 'role', roleIds);
    const wanted = found.notifications.map((n) => n.id);
    if (named(request.notifications)) await this.certificates.setLinks(tx, row.id, 'notification', wanted);
    else if (row.owner !== formerOwner) {
      await this.certificates.setLinks(tx, row.id, 'notification', [...without(links.notificationIds, former.notificationIds), ...wanted]);
    }
    const replacesIds = found.replacesIds.filter((id) => id !== row.id);
    if (named(request.replaces ?? request.replacements)) await this.certificates.setLinks(tx, row.id, 'replaced', replacesIds);
    const issued = row.bodyPem !== null;
    await this.relations.follow(tx, row.id, { destinationIds: found.destinationIds, replacesIds }, issued);
    if (named(request.destinations)) {
      await this.deploying.detach(tx, row.id, links.destinationIds.filter((id) => !found.destinationIds.includes(id)));
    }
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
    const found = await this.relations.ofNew(actor, wishes, owner === before.owner ? [] : [owner]);
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
    if ((owner !== undefined && owner !== before.owner) || !sameRoles) this.access.demandHandOver(actor, before);
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
