import { Injectable } from '@nestjs/common';
import {
  longestScopedLead,
  type NamedNotification,
  namedNotification,
  notificationTables,
  someHear,
} from '../notifications/notification-columns.js';
import { Database, type Tx } from '../platform/db/database.js';
import { KeptFacts } from '../platform/db/kept-facts.js';
import { prepared } from '../platform/db/statement.js';
import { Gathered } from '../platform/gathered.js';
import type { Reference } from '../platform/http/reference.js';
import type { NamedRole } from '../roles/role.repository.js';
import { defaultPolicyName, type RotationPolicy } from '../rotation/policy.entity.js';
import { PolicyRepository } from '../rotation/policy.repository.js';

/** The columns of a rotation policy that planning needs. */
export type NamedPolicy = Omit<RotationPolicy, 'description' | 'createdAt'>;

/** What `UsualRelationRepository` looks up: names of roles and labels of default notifications, in any case. */
export interface UsualNames {
  roles: readonly string[];
  notifications: readonly string[];
}

/** The roles and notifications that exist, in no particular order, and the policy. */
export interface UsualRelations {
  policy: NamedPolicy;
  roles: NamedRole[];
  notifications: NamedNotification[];
  /** The longest lead, in seconds, of subscriptions without a list of certificates; null when there is none. */
  scopedLeadS: number | null;
  /** Whether an active subscription has the event of an issued certificate. */
  issueHeard: boolean;
  /** Set when this comes from the cache: see KeptFacts. */
  version?: number;
}

// The subquery hides the length of the array from the planner, so that one cached plan serves every number of names.
const named = (column: string, names: string): string =>
  `lower(${column}) = any(array(select lower(n) from unnest(${names}::text[]) n))`;
const object = (fields: string): string => `json_build_object('id', id, ${fields})`;
const ruleFields = `'days', days, 'lifetimeFraction', lifetime_fraction, 'spreadHours', spread_hours,
  'emergencyFraction', emergency_fraction, 'maintenance', maintenance`;
const select = prepared<UsualRelations>(
  'usual_relations',
  `select
  ${object(`'name', name, ${ruleFields}`)} as policy,
  (select coalesce(json_agg(${object(`'name', name, 'description', description`)}), '[]') from role
  where ${named('name', '$1')}) as roles,
  (select coalesce(json_agg(json_build_object(${namedNotification})), '[]') from ${notificationTables}
  where s.built_in and ${named('s.label', '$2')}) as notifications, ${longestScopedLead} as "scopedLeadS",
  ${someHear('certificate.issued')} as "issueHeard"
  from rotation_policy where lower(name) = '${defaultPolicyName}'`,
);

/**
 * Reads the policy, the owner's role and the default notifications that most new certificates need, in one statement
 * for concurrent requests.
 */
@Injectable()
export class UsualRelationRepository {
  private readonly readings = new Gathered<UsualNames, UsualRelations>((many) => this.findMany(this.db.single, many));

  constructor(
    private readonly db: Database,
    private readonly policies: PolicyRepository,
    private readonly facts: KeptFacts,
  ) {}

  /**
   * `policy`: default the default policy. `mayBeKept`: the result may come from the cache, and the caller stores what
   * follows from it only at the same version. Throws Problem `invalid-request` when `policy` does not exist.
   */
  async find(names: UsualNames, policy?: Reference, mayBeKept = false): Promise<UsualRelations> {
    const [usual, wished] = await Promise.all([
      mayBeKept ? this.kept(names) : this.readings.run(names),
      policy && this.policies.resolve(this.db.single, policy),
    ]);
    return wished ? { ...usual, policy: wished } : usual;
  }

  /** From the cache. It keeps only complete results, because missing roles and notifications are created soon. */
  private async kept(names: UsualNames): Promise<UsualRelations> {
    const isWhole = (found: UsualRelations): boolean =>
      found.roles.length === distinct(names.roles.map((name) => name.toLowerCase())).length &&
      found.notifications.length === names.notifications.length;
    const { value, version } = await this.facts.of(
      `relations ${JSON.stringify(names)}`,
      () => this.readings.run(names),
      isWhole,
    );
    return { version, ...value };
  }

  private async findMany(tx: Tx, many: readonly UsualNames[]): Promise<UsualRelations[]> {
    const [found] = await select(tx, [
      distinct(many.flatMap(({ roles }) => roles)),
      distinct(many.flatMap(({ notifications }) => notifications)),
    ]);
    if (!found) throw new Error('The default rotation policy is missing.');
    const roles = new Map(found.roles.map((role) => [role.name.toLowerCase(), role]));
    const notifications = new Map(
      found.notifications.map((notification) => [notification.label.toLowerCase(), notification]),
    );
    return many.map((names) => ({
      policy: found.policy,
      scopedLeadS: found.scopedLeadS,
      issueHeard: found.issueHeard,
      roles: picked(roles, names.roles),
      notifications: picked(notifications, names.notifications),
    }));
  }
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)];
}

function picked<T>(things: ReadonlyMap<string, T>, names: readonly string[]): T[] {
  return distinct(names.map((name) => name.toLowerCase())).flatMap((name) => things.get(name) ?? []);
}
