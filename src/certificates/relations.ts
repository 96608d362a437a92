import { Injectable } from '@nestjs/common';
import { DestinationRepository } from '../destinations/destination.repository.js';
import { Destinations } from '../destinations/destinations.js';
import { type DefaultNotification, defaultNotifications } from '../notifications/default-notifications.js';
import { type NamedNotification, NotificationRepository } from '../notifications/notification.repository.js';
import { Config } from '../platform/config.js';
import { Database, type Tx } from '../platform/db/database.js';
import { MailLimit } from '../auth/mail-limit.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { type Reference, wordsOf } from '../platform/http/reference.js';
import { demandAllowedOwner } from '../roles/owner-domain.js';
import { lacking, mayActOn } from '../roles/permission.js';
import { type NamedRole, RoleRepository } from '../roles/role.repository.js';
import { CertificateAccess } from './access.js';
import { CertificateRepository } from './certificate.repository.js';
import { type NamedPolicy, UsualRelationRepository } from './usual-relations.js';

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
  policy: NamedPolicy;
  roleIds: number[];
  /** Those of `roleIds` that are there only because the authority is theirs: they give no right to the key. */
  issuerRoleIds: number[];
  notificationIds: number[];
  /** The roles and notifications of these ids, in order of id. */
  roles: NamedRole[];
  notifications: NamedNotification[];
  /**
   * How long before the end each notification warns that is not switched off, in seconds; those that are missing
   * included.
   */
  leadsS: number[];
  destinationIds: number[];
  replacesIds: number[];
  /**
   * The owners' roles and default notifications that do not exist yet. A refusal must leave nothing behind, so they are
   * made with the certificate.
   */
  missing: { roles: string[]; notifications: DefaultNotification[]; issuerOwner?: string };
}

type Linked = Pick<RelationsOfNew, 'roleIds' | 'issuerRoleIds' | 'notificationIds'>;

/** The repositories in which relations are looked up, together. */
@Injectable()
export class RelationRepositories {
  constructor(
    readonly usual: UsualRelationRepository,
    readonly roles: RoleRepository,
    readonly notifications: NotificationRepository,
    readonly destinations: DestinationRepository,
    readonly certificates: CertificateRepository,
  ) {}
}

/** Finds what a request refers to, and whether the actor may link a certificate with it. */
@Injectable()
export class Relations {
  constructor(
    private readonly db: Database,
    private readonly config: Config,
    private readonly repositories: RelationRepositories,
    private readonly ready: Destinations,
    private readonly access: CertificateAccess,
    private readonly mailLimit: MailLimit,
  ) {}

  /** To make this the owner, who will be told. Throws Problem `invalid-request` or `too-many-requests`. */
  demandOwner(actor: Actor, owner: string): void {
    demandAllowedOwner(owner, this.config);
    this.mailLimit.demand(actor, owner);
  }

  /** `issuerOwner`: who owns the authority, and so looks after all that it issues. Writes nothing. Throws Problem. */
  async ofNew(actor: Actor, wishes: RelationWishes, issuerOwner?: string): Promise<RelationsOfNew> {
    const found = await this.warned(await this.find(wishes, issuerOwner), wishes);
    await this.ready.demandDelivery(this.db.single, actor, found.destinationIds);
    await this.demandReplacing(this.db.single, actor, found.replacesIds);
    for (const id of found.replacesIds)
      await this.access.demandSilence(
        this.db.single,
        actor,
        await this.repositories.certificates.get(this.db.single, id),
      );
    this.demandOwner(actor, wishes.owner);
    return found;
  }

  /** As `ofNew`, but asks for no right. */
  async find(wishes: RelationWishes, issuerOwner?: string): Promise<RelationsOfNew> {
    const { usual, destinations } = this.repositories;
    const tx = this.db.single;
    const ownerNames = [wishes.owner, ...(issuerOwner === undefined ? [] : [issuerOwner])];
    const defaults = wishes.notifications?.length ? [] : defaultNotifications(wishes.owner, this.config);
    const [found, others, asked, places, replacesIds] = await Promise.all([
      usual.find({ roles: ownerNames, notifications: defaults.map(({ label }) => label) }, wishes.rotationPolicy),
      this.repositories.roles.locate(tx, 'roles', wishes.roles ?? []),
      this.repositories.notifications.resolve(tx, wishes.notifications ?? [], 'notifications'),
      destinations.resolve(tx, wishes.destinations ?? []),
      this.replaced(tx, wishes),
    ]);
    const roles = inOrder([...found.roles, ...others]);
    const notifications = inOrder([...found.notifications, ...asked]);
    const missing = {
      issuerOwner,
      roles: namesWithout(
        ownerNames,
        found.roles.map(({ name }) => name),
      ),
      notifications: missingOf(defaults, found.notifications),
    };
    return {
      policy: found.policy,
      roles,
      notifications,
      roleIds: idsOf(roles),
      issuerRoleIds: without(idsOf(named(found.roles, issuerOwner)), idsOf(others)),
      notificationIds: idsOf(notifications),
      replacesIds,
      missing,
      destinationIds: idsOf(places),
      leadsS: [...notifications.filter(({ active }) => active), ...missing.notifications].map(({ leadS }) => leadS),
    };
  }

  /**
   * Where all that is asked for is switched off, the owner's default notifications stand beside it: else nothing would
   * warn.
   */
  private async warned(
    found: RelationsOfNew,
    { owner, notifications: asked }: RelationWishes,
  ): Promise<RelationsOfNew> {
    if (!asked?.length || found.leadsS.length > 0) return found;
    const usual = await this.find({ owner });
    const notifications = inOrder([...found.notifications, ...usual.notifications]);
    return {
      ...found,
      notifications,
      notificationIds: idsOf(notifications),
      leadsS: usual.leadsS,
      missing: { ...found.missing, notifications: usual.missing.notifications },
    };
  }

  /** Ids of all roles and notifications; makes what is missing in the transaction that stores the certificate. */
  async complete(tx: Tx, { roleIds, issuerRoleIds, notificationIds, missing }: RelationsOfNew): Promise<Linked> {
    const { roles, notifications } = this.repositories;
    const made = missing.roles.length > 0 ? await roles.ensure(tx, missing.roles) : [];
    return {
      roleIds: [...roleIds, ...idsOf(made)],
      issuerRoleIds: [...issuerRoleIds, ...idsOf(named(made, missing.issuerOwner))],
      notificationIds:
        missing.notifications.length > 0
          ? [...notificationIds, ...idsOf(await notifications.ensure(tx, missing.notifications))]
          : notificationIds,
    };
  }

  /** What a certificate has only because it belongs to this owner: the owner's role and default notifications. */
  async ofOwner(tx: Tx, owner: string): Promise<Pick<Linked, 'roleIds' | 'notificationIds'>> {
    const labels = defaultNotifications(owner, this.config)
      .map(({ label }) => label)
      .filter((label) => !label.startsWith('DEFAULT_SECURITY_'));
    return {
      roleIds: idsOf(await this.repositories.roles.known(tx, [owner])),
      notificationIds: idsOf(await this.repositories.notifications.known(tx, labels)),
    };
  }

  /** Throws Problem `invalid-request` when one of the destinations cannot do without the private key. */
  async demandKeyless(destinationIds: readonly number[]): Promise<void> {
    for (const id of destinationIds) {
      const { plugin } = await this.ready.get(this.db.single, id);
      if (plugin.needsPrivateKey) throw invalid('destinations', 'Destinations require private key.');
    }
  }

  /**
   * Throws Problem `forbidden` when one of the destinations would give a new key to an API key whose scopes leave
   * `key:read` out.
   */
  async demandKeyScope(actor: Actor, destinationIds: readonly number[]): Promise<void> {
    if (actor.permissions.has('key:read')) return;
    for (const id of destinationIds) {
      const { plugin } = await this.ready.get(this.db.single, id);
      if (plugin.needsPrivateKey)
        throw new Problem('forbidden', `A destination takes the private key. ${lacking('key:read', actor)}`);
    }
  }

  /**
   * To say what replaces these certificates: that ends their warnings and renewals, or brings them back. Throws Problem
   * `forbidden`.
   */
  async demandReplacing(tx: Tx, actor: Actor, ids: readonly number[]): Promise<void> {
    if (ids.length > 0 && !actor.permissions.has('certificate:update'))
      throw new Problem('forbidden', 'To replace certificates needs certificate:update.');
    for (const id of ids) {
      const old = await this.repositories.certificates.get(tx, id);
      const { roleIds } = await this.repositories.certificates.linksOf(tx, id);
      if (!mayActOn(actor, { ...old, roleIds }))
        throw new Problem('forbidden', `You are not authorized to replace certificate ${old.name}.`);
    }
  }

  private async replaced(tx: Tx, { replaces = [], replacements = [] }: RelationWishes): Promise<number[]> {
    const ids: number[] = [];
    const refs = Object.entries({ replaces, replacements }).flatMap(([field, many]) =>
      many.map((ref, i) => ({ field: `${field}.${i}`, ref })),
    );
    for (const { field, ref } of refs) {
      const id = await this.repositories.certificates.findId(tx, {
        id: ref.id,
        name: ref.id === undefined ? wordsOf(ref) : undefined,
      });
      if (id === null) throw invalid(field, `Unable to locate certificate ${wordsOf(ref)}.`);
      ids.push(id);
    }
    return [...new Set(ids)];
  }
}

function inOrder<T extends { id: number }>(things: readonly T[]): T[] {
  return [...new Map(things.map((thing) => [thing.id, thing])).values()].sort((a, b) => a.id - b.id);
}

function idsOf(rows: readonly { id: number }[]): number[] {
  return [...new Set(rows.map(({ id }) => id))];
}

function without(ids: readonly number[], gone: readonly number[]): number[] {
  return ids.filter((id) => !gone.includes(id));
}

/** Names count whatever their case. */
function named<T extends { name: string }>(roles: readonly T[], name: string | undefined): T[] {
  return roles.filter((role) => role.name.toLowerCase() === name?.toLowerCase());
}

function namesWithout(names: readonly string[], known: readonly string[]): string[] {
  const there = new Set(known.map((name) => name.toLowerCase()));
  return names.filter((name) => !there.has(name.toLowerCase()));
}

function missingOf(wanted: readonly DefaultNotification[], known: readonly { label: string }[]): DefaultNotification[] {
  const labels = namesWithout(
    wanted.map(({ label }) => label),
    known.map(({ label }) => label),
  );
  return wanted.filter(({ label }) => labels.includes(label));
}
