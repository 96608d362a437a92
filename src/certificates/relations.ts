import { Injectable } from '@nestjs/common';
import { DestinationRepository } from '../destinations/destination.repository.js';
import { Destinations } from '../destinations/destinations.js';
import { defaultNotifications } from '../notifications/default-notifications.js';
import { type Lead, NotificationRepository } from '../notifications/notification.repository.js';
import { Config } from '../platform/config.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { type Reference, wordsOf } from '../platform/http/reference.js';
import { mayActOn } from '../roles/permission.js';
import { RoleRepository } from '../roles/role.repository.js';
import { defaultPolicyName, type RotationPolicy } from '../rotation/policy.entity.js';
import { PolicyRepository } from '../rotation/policy.repository.js';
import { CertificateRepository } from './certificate.repository.js';
import { Deploying } from './deploy/deploying.js';

/** What a request says about the things that a certificate hangs on. */
export interface RelationWishes {
  owner: string;
  destinations?: readonly Reference[];
  notifications?: readonly Reference[];
  replaces?: readonly Reference[];
  replacements?: readonly Reference[];
  roles?: readonly Reference[];
  rotationPolicy?: Reference;
}

/** The same, found and allowed. */
export interface RelationsOfNew {
  policy: RotationPolicy;
  roleIds: number[];
  notifications: Lead[];
  destinationIds: number[];
  replacesIds: number[];
}

/** The repositories in which relations are looked up, together. */
@Injectable()
export class RelationRepositories {
  constructor(
    readonly policies: PolicyRepository,
    readonly roles: RoleRepository,
    readonly notifications: NotificationRepository,
    readonly destinations: DestinationRepository,
    readonly certificates: CertificateRepository,
  ) {}
}

/** Finds what a request refers to, and draws the consequences for it when the certificate is stored. */
@Injectable()
export class Relations {
  constructor(
    private readonly db: Database,
    private readonly config: Config,
    private readonly repositories: RelationRepositories,
    private readonly deploying: Deploying,
    private readonly ready: Destinations,
  ) {}

  /** `ownerNames`: whose roles the certificate gets; roles are made on demand. Throws Problem. */
  async ofNew(actor: Actor, wishes: RelationWishes, ownerNames: readonly string[]): Promise<RelationsOfNew> {
    const { policies, roles, destinations } = this.repositories;
    const tx = this.db.single;
    const [policy, owners, named, notifications, places, replacesIds] = await Promise.all([
      policies.resolve(tx, wishes.rotationPolicy ?? { name: defaultPolicyName }),
      roles.ensure(tx, ownerNames),
      roles.locate(tx, 'roles', wishes.roles ?? []),
      this.notifications(tx, wishes),
      destinations.resolve(tx, wishes.destinations ?? []),
      this.replaced(tx, actor, wishes),
    ]);
    return {
      policy, notifications, replacesIds, destinationIds: places.map((place) => place.id),
      roleIds: [...new Set([...owners, ...named].map((role) => role.id))],
    };
  }

  /** In the transaction that stores the certificate: plans deliveries. What it replaces stands down once it is issued. */
  async follow(tx: Tx, id: number, relations: Pick<RelationsOfNew, 'destinationIds' | 'replacesIds'>, issued: boolean): Promise<void> {
    await this.deploying.plan(tx, id, relations.destinationIds, issued);
    for (const replacedId of issued ? relations.replacesIds : []) {
      await this.repositories.certificates.change(tx, replacedId, (old) => old.standDown());
      await this.deploying.yieldTo(tx, replacedId, relations.destinationIds);
    }
  }

  /** What a certificate has only because it belongs to this owner: the owner's role and default notifications. */
  async ofOwner(tx: Tx, owner: string): Promise<{ roleIds: number[]; notificationIds: number[] }> {
    const roles = await this.repositories.roles.ensure(tx, [owner]);
    const defaults = defaultNotifications(owner, this.config).filter(({ label }) => !label.startsWith('DEFAULT_SECURITY_'));
    const notifications = await this.repositories.notifications.ensure(tx, defaults);
    return { roleIds: roles.map((role) => role.id), notificationIds: notifications.map((n) => n.id) };
  }

  /** Throws Problem `invalid-request` when one of the destinations cannot do without the private key. */
  async demandKeyless(destinationIds: readonly number[]): Promise<void> {
    for (const id of destinationIds) {
      const { plugin } = await this.ready.get(this.db.single, id);
      if (plugin.needsPrivateKey) throw invalid('destinations', 'Destinations require private key.');
    }
  }

  /** Those named, or the defaults of the owner when none are named. */
  notifications(tx: Tx, { owner, notifications }: RelationWishes): Promise<Lead[]> {
    if (notifications && notifications.length > 0) return this.repositories.notifications.resolve(tx, notifications, 'notifications');
    return this.repositories.notifications.ensure(tx, defaultNotifications(owner, this.config));
  }

  private async replaced(tx: Tx, actor: Actor, { replaces = [], replacements = [] }: RelationWishes): Promise<number[]> {
    const ids: number[] = [];
    for (const [index, ref] of [...replaces, ...replacements].entries()) {
      const id = await this.repositories.certificates.findId(tx, { id: ref.id, name: ref.id === undefined ? wordsOf(ref) : undefined });
      if (id === null) throw invalid(`replaces.${index}`, `Unable to locate certificate ${wordsOf(ref)}.`);
      const old = await this.repositories.certificates.get(tx, id);
      const { roleIds } = await this.repositories.certificates.linksOf(tx, id);
      if (!mayActOn(actor, { ...old, roleIds })) throw new Problem('forbidden', `You are not authorized to replace certificate ${old.name}.`);
      ids.push(id);
    }
    return [...new Set(ids)];
  }
}
