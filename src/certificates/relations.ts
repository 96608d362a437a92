import { Injectable } from '@nestjs/common';
import { DestinationRepository } from '../destinations/destination.repository.js';
import { type DefaultNotification, defaultNotifications } from '../notifications/default-notifications.js';
import type { NamedNotification } from '../notifications/notification-columns.js';
import { NotificationRepository } from '../notifications/notification.repository.js';
import { Config } from '../platform/config.js';
import { Database, type Tx } from '../platform/db/database.js';
import { Gathered } from '../platform/gathered.js';
import type { Reference } from '../platform/http/reference.js';
import { type NamedRole, RoleRepository } from '../roles/role.repository.js';
import { PolicyRepository } from '../rotation/policy.repository.js';
import { CertificateRepository } from './certificate.repository.js';
import type { Inheritance } from './successors.js';
import { type NamedPolicy, UsualRelationRepository } from './usual-relations.js';

// Finds and creates the objects that a new certificate is linked to: roles, notifications, destinations, predecessors.

/** The owner of a new certificate, and the objects to which a request wants to link it. */
export interface RelationWishes extends LinkWishes {
  owner: string;
}

/** The objects to which a request wants to link a certificate. */
export interface LinkWishes {
  destinations?: readonly Reference[];
  notifications?: readonly Reference[];
  replaces?: readonly Reference[];
  replacements?: readonly Reference[];
  roles?: readonly Reference[];
  rotationPolicy?: Reference;
}

/** The objects to which a new certificate will be linked, as `Relations` has found them. */
export interface RelationsOfNew {
  policy: NamedPolicy;
  /** All roles: the owner's role, the role of the authority's owner, and the listed ones. */
  roleIds: number[];
  /** The roles that the request lists, without the owner's role. */
  listedRoleIds: number[];
  /** The role of the authority's owner, which gives no right to the key. Null when the request lists this role. */
  issuerRoleId: number | null;
  /** All notifications: the listed and the default ones. */
  notificationIds: number[];
  /** The notifications that the request lists, without the default ones that `hearsDefaults` covers. */
  subscriptionIds: number[];
  /** Whether the default subscriptions of the owner and of the security team cover the certificate. */
  hearsDefaults: boolean;
  /** The roles and notifications with these ids, in order of id. */
  roles: NamedRole[];
  notifications: NamedNotification[];
  /** The leads, in seconds, of the active notifications, also of those in `missing`. */
  leadsS: number[];
  destinationIds: number[];
  replacesIds: number[];
  /** False when no subscription has the event of an issued certificate. */
  issueHeard: boolean;
  /** Set when a part of this comes from the cache: see KeptFacts. */
  version?: number;
  /**
   * Roles of owners and default notifications that do not exist yet. They are created with the certificate, so that a
   * refused request creates nothing.
   */
  missing: { roles: string[]; notifications: DefaultNotification[]; issuerOwner?: string };
}

/** The parts of a predecessor and its links that decide what its successor depends on. */
type SuccessorLinks = Pick<Inheritance['old'], 'rotationPolicyId'> & Pick<Inheritance['links'], 'notificationIds'>;

interface SuccessorFacts {
  policy: NamedPolicy;
  notifications: NamedNotification[];
  scopedLeadS: number | null;
}

type Linked = Pick<RelationsOfNew, 'roleIds' | 'issuerRoleId' | 'notificationIds'>;

/** Finds the roles, notifications, destinations and other objects to which a request links a certificate. */
@Injectable()
export class Relations {
  private readonly successions = new Gathered<SuccessorLinks, SuccessorFacts>((many) => this.factsOf(many));

  constructor(
    private readonly db: Database,
    private readonly config: Config,
    private readonly usual: UsualRelationRepository,
    private readonly roles: RoleRepository,
    private readonly notifications: NotificationRepository,
    private readonly destinations: DestinationRepository,
    private readonly policies: PolicyRepository,
    private readonly certificates: CertificateRepository,
  ) {}

  /**
   * For a new certificate. Adds the default notifications of the owner when none of the requested ones is active and
   * sends mail. `issuerOwner`: the owner of the authority, whose role is linked too. Writes nothing. Throws Problem
   * `invalid-request`.
   */
  async ofNew(wishes: RelationWishes, issuerOwner?: string, mayBeKept = false): Promise<RelationsOfNew> {
    const found = await this.find(wishes, issuerOwner, mayBeKept);
    if (!wishes.notifications?.length || found.notifications.some(({ active, mails }) => active && mails)) return found;
    const usual = await this.find({ owner: wishes.owner });
    const notifications = inOrder([...found.notifications, ...usual.notifications]);
    return {
      ...found,
      notifications,
      hearsDefaults: true,
      subscriptionIds: without(found.notificationIds, usual.notificationIds),
      notificationIds: idsOf(notifications),
      leadsS: [...found.leadsS, ...usual.leadsS],
      missing: { ...found.missing, notifications: usual.missing.notifications },
    };
  }

  /**
   * For the successor of a certificate, which gets its links. `issuerOwner`: the owner of another authority, which
   * issues it.
   */
  async ofSuccessor(
    { old: { id, rotationPolicyId }, links }: Inheritance,
    issuerOwner?: string,
  ): Promise<RelationsOfNew> {
    const facts = await this.successions.run({ rotationPolicyId, notificationIds: links.notificationIds });
    const { policy, notifications, scopedLeadS } = facts;
    const issuer = issuerOwner === undefined ? [] : await this.roles.findByName(this.db.single, [issuerOwner]);
    const issuerRoleId = without(idsOf(issuer), links.listedRoleIds)[0] ?? null;
    return {
      ...links,
      ...(issuerOwner !== undefined && { issuerRoleId }),
      policy,
      roles: [],
      notifications,
      leadsS: [
        ...notifications.filter(({ active }) => active).map(({ leadS }) => leadS),
        ...(scopedLeadS === null ? [] : [scopedLeadS]),
      ],
      replacesIds: [id],
      issueHeard: true,
      missing: {
        issuerOwner,
        roles: issuerOwner !== undefined && issuer.length === 0 ? [issuerOwner] : [],
        notifications: [],
      },
    };
  }

  /** Only what the request refers to. Throws like `ofNew`. */
  async find(wishes: RelationWishes, issuerOwner?: string, mayBeKept = false): Promise<RelationsOfNew> {
    const tx = this.db.single;
    const ownerNames = [wishes.owner, ...(issuerOwner === undefined ? [] : [issuerOwner])];
    const defaults = wishes.notifications?.length ? [] : defaultNotifications(wishes.owner, this.config);
    const [found, others, asked, existing, places, replacesIds] = await Promise.all([
      this.usual.find(
        { roles: ownerNames, notifications: defaults.map(({ label }) => label) },
        wishes.rotationPolicy,
        mayBeKept,
      ),
      this.roles.locate(tx, 'roles', wishes.roles ?? []),
      this.notifications.resolve(tx, wishes.notifications ?? [], 'notifications'),
      wishes.notifications?.length ? this.notifications.defaultsOf(tx, wishes.owner) : [],
      this.destinations.resolve(tx, wishes.destinations ?? []),
      this.replaced(tx, wishes),
    ]);
    const roles = inOrder([...found.roles, ...others]);
    const notifications = inOrder([...found.notifications, ...asked]);
    const usual = defaultsAmong(idsOf(asked), existing);
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
      listedRoleIds: without(idsOf(others), idsOf(named(found.roles, wishes.owner))),
      issuerRoleId: without(idsOf(named(found.roles, issuerOwner)), idsOf(others))[0] ?? null,
      notificationIds: idsOf(notifications),
      hearsDefaults: !wishes.notifications?.length || usual.length > 0,
      subscriptionIds: without(idsOf(asked), usual),
      replacesIds,
      issueHeard: found.issueHeard,
      ...(found.version !== undefined && { version: found.version }),
      missing,
      destinationIds: idsOf(places),
      leadsS: [
        ...[...notifications.filter(({ active }) => active), ...missing.notifications].map(({ leadS }) => leadS),
        ...(found.scopedLeadS === null ? [] : [found.scopedLeadS]),
      ],
    };
  }

  /**
   * Creates `missing` in the transaction that stores the certificate. Returns the ids of all its roles and
   * notifications.
   */
  async complete(tx: Tx, { roleIds, issuerRoleId, notificationIds, missing }: RelationsOfNew): Promise<Linked> {
    const made = missing.roles.length > 0 ? await this.roles.ensure(tx, missing.roles) : [];
    return {
      roleIds: [...roleIds, ...idsOf(made)],
      issuerRoleId: idsOf(named(made, missing.issuerOwner))[0] ?? issuerRoleId,
      notificationIds:
        missing.notifications.length > 0
          ? [...notificationIds, ...idsOf(await this.notifications.ensure(tx, missing.notifications))]
          : notificationIds,
    };
  }

  /** The links that a certificate has only because of its owner: the owner's role and default notifications. */
  async ofOwner(tx: Tx, owner: string): Promise<Pick<Linked, 'roleIds' | 'notificationIds'>> {
    return {
      roleIds: idsOf(await this.roles.findByName(tx, [owner])),
      notificationIds: await this.notifications.defaultsOf(tx, owner, false),
    };
  }

  /** What successors depend on, in one reading for many. */
  private async factsOf(many: readonly SuccessorLinks[]): Promise<SuccessorFacts[]> {
    const tx = this.db.single;
    const [policies, notifications, scopedLeadS] = await Promise.all([
      this.policies.all(tx),
      this.notifications.getMany(tx, [...new Set(many.flatMap(({ notificationIds }) => notificationIds))]),
      this.notifications.longestScopedLead(tx),
    ]);
    return many.map(({ rotationPolicyId, notificationIds }) => {
      const policy = policies.find(({ id }) => id === rotationPolicyId);
      if (!policy) throw new Error(`There is no rotation policy ${rotationPolicyId}.`);
      return { policy, scopedLeadS, notifications: notifications.filter(({ id }) => notificationIds.includes(id)) };
    });
  }

  private async replaced(tx: Tx, { replaces = [], replacements = [] }: RelationWishes): Promise<number[]> {
    return [
      ...new Set([
        ...(await this.certificates.resolve(tx, replaces, 'replaces')),
        ...(await this.certificates.resolve(tx, replacements, 'replacements')),
      ]),
    ];
  }
}

function inOrder<T extends { id: number }>(things: readonly T[]): T[] {
  return [...new Map(things.map((thing) => [thing.id, thing])).values()].sort((a, b) => a.id - b.id);
}

function idsOf(rows: readonly { id: number }[]): number[] {
  return [...new Set(rows.map(({ id }) => id))];
}

/**
 * The default notifications when the request names all that exist; a request that names only some does not want the
 * others.
 */
function defaultsAmong(asked: readonly number[], existing: readonly number[]): readonly number[] {
  return existing.every((id) => asked.includes(id)) ? existing : [];
}

function without(ids: readonly number[], gone: readonly number[]): number[] {
  return ids.filter((id) => !gone.includes(id));
}

/** Ignores case. */
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
