import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { CertificateAccess } from '../access.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Places } from '../deploy/places.js';
import { Planning } from '../planning.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import { type Change, Relinking } from './relinking.js';
import type { UpdateRequest } from './update.schema.js';

/** The consequences of a change. */
@Injectable()
export class UpdateChanges {
  constructor(
    private readonly relinking: Relinking,
    private readonly planning: Planning,
    private readonly places: Places,
    private readonly audit: Audit,
  ) {}

  async apply(tx: Tx, actor: Actor, row: Certificate, change: Change): Promise<void> {
    const { before, request, found } = change;
    await this.relinking.relink(tx, row, change);
    await this.planning.plan(tx, row);
    await this.audit.record(tx, actor, {
      action: 'certificate.updated', targetType: 'certificate', targetId: before.id, before: pick(before),
      after: {
        ...pick(request),
        ...(request.destinations && { destinationIds: found.destinationIds }), ...(request.roles && { roleIds: found.roleIds }),
        ...(request.notifications && { notificationIds: found.notificationIds }),
        ...((request.replaces ?? request.replacements) && { replacesIds: found.replacesIds }),
      },
    });
  }

  demandApart(tx: Tx, certificate: Certificate, destinationIds: readonly number[]): Promise<void> {
    return this.places.demandApart(tx, certificate, destinationIds);
  }
}

function pick({ owner, description, notify, rotation }: Partial<Pick<Certificate, 'owner' | 'description' | 'notify' | 'rotation'>>): object {
  return { owner, description, notify, rotation };
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
    const change = await this.prepare(actor, id, request);
    await this.db.write((tx) => this.certificates.change(tx, id, async (row) => {
      this.assign(row, request, change.found);
      await this.changes.apply(tx, actor, row, change);
    }));
  }

  /** What `update` would do; nothing is written. Throws as `update`. */
  async prepare(actor: Actor, id: number, request: UpdateRequest): Promise<Change> {
    const tx = this.db.single;
    const before = await this.certificates.get(tx, id);
    await this.access.demandChange(tx, actor, before);
    await this.demandRights(actor, before, request);
    const found = await this.findRelations(actor, before, request);
    const { destinationIds } = await this.certificates.linksOf(tx, id);
    const attached = found.destinationIds.filter((one) => !destinationIds.includes(one));
    await this.access.demandDelivery(tx, actor, before, attached);
    if (!before.sealedKey) await this.relations.demandKeyless(attached);
    if (request.destinations) await this.changes.demandApart(tx, before, found.destinationIds);
    return { before, request, found };
  }

  private async findRelations(actor: Actor, before: Certificate, request: UpdateRequest): Promise<RelationsOfNew> {
    const { owner = before.owner, rotationPolicy = { id: before.rotationPolicyId } } = request;
    const found = await this.relations.ofNew(actor, { ...request, owner, rotationPolicy }, [owner]);
    if (owner === before.owner || !request.notifications?.length) return found;
    // Whatever else is named: a new owner gets the warnings that owners get.
    const defaults = await this.relations.ofNew(actor, { owner, rotationPolicy }, [owner]);
    return { ...found, notificationIds: [...found.notificationIds, ...defaults.notificationIds], missing: defaults.missing };
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
