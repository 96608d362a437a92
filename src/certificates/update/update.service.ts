import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { mayVouchFor } from '../../roles/permission.js';
import { CertificateAccess } from '../access.js';
import { type Certificate, ownerVouches } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Places } from '../deploy/places.js';
import { DefaultSubscriptions } from '../notify/default-subscriptions.js';
import { Notices } from '../notify/notices.js';
import { Planning } from '../planning.js';
import { RelationRights } from '../relation-rights.js';
import { Relations, type RelationsOfNew } from '../relations.js';
import { Relinking, type Wishes } from './relinking.js';
import type { UpdateRequest } from './update.schema.js';
import { UpdateRights } from './update-rights.js';

/** Applies a change to the row, the links and the deliveries of a certificate, with its audit event. */
@Injectable()
export class UpdateChanges {
  constructor(
    private readonly relinking: Relinking,
    private readonly planning: Planning,
    private readonly defaults: DefaultSubscriptions,
    private readonly notices: Notices,
    private readonly audit: Audit,
  ) {}

  /** Changes `row`, which is locked; the caller saves it. */
  async apply(tx: Tx, actor: Actor, row: Certificate, wishes: Wishes): Promise<void> {
    const { request, found } = wishes;
    const before = pick(row);
    this.assign(actor, row, wishes);
    await this.relinking.relink(tx, row, { ...wishes, formerOwner: before.owner === row.owner ? null : before.owner });
    if (request.notifications || row.owner !== before.owner || row.notify !== before.notify)
      await this.defaults.ensureWarned(tx, row);
    await this.planning.plan(tx, row);
    if (row.owner !== before.owner && !ownerVouches(row)) await this.notices.handedOver(tx, row, before.owner);
    await this.audit.record(tx, actor, {
      action: 'certificate.updated',
      targetType: 'certificate',
      targetId: row.id,
      before,
      after: {
        ...pick(row),
        ...(request.destinations && { destinationIds: found.destinationIds }),
        ...(request.roles && { roleIds: found.roleIds }),
        ...(request.notifications && { notificationIds: found.notificationIds }),
        ...((request.replaces ?? request.replacements) && { replacesIds: found.replacesIds }),
      },
    });
  }

  private assign(actor: Actor, row: Certificate, { request, found }: Wishes): void {
    const { owner = row.owner } = request;
    // To name an owner gives no rights: until a holder of the owner's role accepts, the former rights apply.
    if (owner !== row.owner && mayVouchFor(actor, owner)) row.vouch(owner);
    row.owner = owner;
    row.description = request.description === undefined ? row.description : request.description;
    // Clients send the whole object back, with both names of the switch. The one that differs counts.
    row.notify =
      [request.notify, request.active].find((asked) => asked !== undefined && asked !== row.notify) ?? row.notify;
    if (row.toReplace && row.rotation && request.rotation === false) row.retire();
    row.rotation = request.rotation ?? row.rotation;
    row.rotationPolicyId = request.rotationPolicy ? found.policy.id : row.rotationPolicyId;
  }
}

type Care = Pick<
  Certificate,
  'owner' | 'vouchingRole' | 'description' | 'labels' | 'notify' | 'rotation' | 'rotationPolicyId'
>;

function pick({ owner, vouchingRole, description, labels, notify, rotation, rotationPolicyId }: Care): Care {
  return { owner, vouchingRole, description, labels, notify, rotation, rotationPolicyId };
}

/** Finds the objects that the request of a change refers to, and checks that they fit the certificate. */
@Injectable()
export class UpdateLookup {
  constructor(
    private readonly relations: Relations,
    private readonly relationRights: RelationRights,
    private readonly places: Places,
    private readonly access: CertificateAccess,
  ) {}

  /**
   * Throws Problem `invalid-request` when an object does not exist or cannot take the certificate. Throws `forbidden`
   * for a destination that is not open to the actor, before an error could reveal its options.
   */
  async find(tx: Tx, actor: Actor, certificate: Certificate, request: UpdateRequest): Promise<RelationsOfNew> {
    const { owner = certificate.owner, destinations, notifications } = request;
    const found = await this.relations.find({ ...request, owner });
    if (destinations) await this.access.demandPlaces(tx, actor, certificate, found.destinationIds);
    if (destinations && !certificate.sealedKey) await this.relationRights.demandKeyless(found.destinationIds);
    if (destinations) await this.places.demandApart(tx, certificate, found.destinationIds);
    if (owner === certificate.owner || !notifications?.length) return found;
    // A new owner gets the default subscriptions, whatever else the request names.
    const defaults = await this.relations.find({ owner });
    return {
      ...found,
      notificationIds: [...found.notificationIds, ...defaults.notificationIds],
      missing: defaults.missing,
    };
  }
}

/** `whole`: the request may come from a client of Lemur, which means an empty list when it leaves one out. */
type Form = 'change' | 'whole';

/**
 * Reads a request of the form `whole` as Lemur does: Lemur demands the owner, and empties every list that is left out.
 * Roles and notifications are emptied here too, since otherwise a script that removes rights would not remove them.
 * Empty destinations or `replaces` would remove the certificate from its servers: if these lists are not empty, the
 * request must have them. A request with only a new owner hands the certificate over, and keeps the lists. Throws
 * Problem `invalid-request`, which names the missing lists.
 */
function asLemurWould(
  { owner }: Pick<Certificate, 'owner'>,
  request: UpdateRequest,
  isEmpty: Record<'destinations' | 'replaces', boolean>,
): UpdateRequest {
  const { destinations, notifications, roles } = request;
  const replaces = request.replaces ?? request.replacements;
  const given = [destinations, notifications, replaces, roles].filter((list) => list !== undefined).length;
  if (request.owner === undefined || given === 4 || (request.owner !== owner && given === 0)) return request;
  const missing = [
    ...(destinations === undefined && !isEmpty.destinations ? ['destinations'] : []),
    ...(replaces === undefined && !isEmpty.replaces ? ['replaces'] : []),
  ];
  if (missing.length === 0) return { ...request, notifications: notifications ?? [], roles: roles ?? [] };
  const text =
    'A request with the owner names the destinations and what the certificate replaces, too: what is left out would ' +
    'be removed.';
  throw new Problem('invalid-request', text, { reasons: Object.fromEntries(missing.map((name) => [name, [text]])) });
}

/** Changes the owner, the settings and the links of a certificate, never its content. */
@Injectable()
export class UpdateService {
  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly lookup: UpdateLookup,
    private readonly rights: UpdateRights,
    private readonly changes: UpdateChanges,
  ) {}

  /**
   * Finds objects before the transaction, and checks rights inside it, on the locked row. `first` changes more of the
   * row in the same transaction, before the request does. Throws Problem, `conflict` when the owner changed meanwhile.
   */
  async update(
    actor: Actor,
    id: number,
    request: UpdateRequest,
    form: Form = 'change',
    first?: (tx: Tx, row: Certificate) => Promise<void>,
  ): Promise<void> {
    const { before, wishes } = await this.lookUp(actor, id, request, form);
    const { owner = before.owner } = request;
    const ofSuccessor =
      owner === before.owner
        ? null
        : { request: { owner }, found: await this.lookup.find(this.db.single, actor, before, { owner }) };
    await this.db.write(async (tx) => {
      await this.certificates.lockLines(tx, [id, ...wishes.found.replacesIds]);
      await this.certificates.change(tx, id, async (row) => {
        if (row.owner !== before.owner)
          throw new Problem(
            'conflict',
            `Certificate ${row.name} has come to another owner meanwhile: look at it again.`,
          );
        await this.rights.demandAny(tx, actor, row);
        await first?.(tx, row);
        await this.change(tx, actor, row, wishes);
        if (ofSuccessor) await this.handOverSuccessor(tx, actor, before, ofSuccessor);
      });
    });
  }

  /** Its successor was requested for the former owner, who would get its key and its notices: it is handed over too. */
  private async handOverSuccessor(
    tx: Tx,
    actor: Actor,
    { id, owner }: Pick<Certificate, 'id' | 'owner'>,
    wishes: Wishes,
  ): Promise<void> {
    const successor = await this.certificates.findSuccessor(tx, id);
    if (successor?.bodyPem === null && successor.owner === owner)
      await this.certificates.change(tx, successor.id, (row) => this.change(tx, actor, row, wishes));
  }

  private async change(tx: Tx, actor: Actor, row: Certificate, wishes: Wishes): Promise<void> {
    await this.rights.demand(tx, actor, row, wishes);
    await this.changes.apply(tx, actor, row, wishes);
  }

  /** Checks everything that `update` demands, and changes nothing. Throws like it. */
  async prepare(actor: Actor, id: number, request: UpdateRequest): Promise<void> {
    const { before, wishes } = await this.lookUp(actor, id, request, 'change');
    await this.rights.demand(this.db.single, actor, before, wishes);
  }

  /** Without the right to change the certificate, the actor learns nothing about the objects in the request. */
  private async lookUp(
    actor: Actor,
    id: number,
    request: UpdateRequest,
    form: Form,
  ): Promise<{ before: Certificate; wishes: Wishes }> {
    const tx = this.db.single;
    const before = await this.certificates.get(tx, id);
    await this.rights.demandAny(tx, actor, before);
    const wished = form === 'whole' ? asLemurWould(before, request, await this.emptyLists(tx, before)) : request;
    return { before, wishes: { request: wished, found: await this.lookup.find(tx, actor, before, wished) } };
  }

  /** Which lists of the certificate are empty. */
  private async emptyLists(
    tx: Tx,
    { id, renewsId }: Certificate,
  ): Promise<Record<'destinations' | 'replaces', boolean>> {
    const { destinationIds } = await this.certificates.linksOf(tx, id);
    const replacesIds = await this.certificates.predecessorsOf(tx, id);
    // A renewal replaces its predecessor whatever the request says.
    return { destinations: destinationIds.length === 0, replaces: replacesIds.every((oldId) => oldId === renewsId) };
  }
}
