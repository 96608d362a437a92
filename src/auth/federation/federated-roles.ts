import { Injectable } from '@nestjs/common';
import { Audit, type AuditActor } from '../../audit/audit.js';
import { Config } from '../../platform/config.js';
import type { Tx } from '../../platform/db/database.js';
import type { Account } from '../../roles/account.repository.js';
import { type RoleLabel, RoleRepository } from '../../roles/role.repository.js';
import { grantsOf, groupRules, type GroupRules } from './group-roles.js';
import { IdentityRepository } from './identity.repository.js';
import type { Profile } from './profile.js';

/**
 * Synchronizes the roles of users with their groups at identity providers. Removes only roles that the same provider
 * assigned; roles that were assigned here stay.
 */
@Injectable()
export class FederatedRoles {
  private readonly rules: GroupRules;

  /** Throws if IDP_ROLES_MAPPING is invalid. */
  constructor(
    private readonly config: Config,
    private readonly roles: RoleRepository,
    private readonly identities: IdentityRepository,
    private readonly audit: Audit,
  ) {
    this.rules = groupRules({
      assign: config.idpAssignRolesFromUserGroups,
      mapping: config.idpRolesMapping,
      prefix: config.idpRolesPrefix,
      suffix: config.idpRolesSuffix,
      ownerDomains: config.idpOwnerDomains,
      named: [...config.sensitiveDomainRoles, ...(config.defaultRole === undefined ? [] : [config.defaultRole])],
    });
  }

  /** Adds and removes roles to match the profile, and records the change. It takes effect with the next request. */
  async follow(
    tx: Tx,
    { account, profile, actor }: { account: Account; profile: Profile; actor: AuditActor },
  ): Promise<void> {
    const wanted = await this.wanted(tx, account, profile, actor);
    const held = new Set(account.roles.map(({ id }) => id));
    const { own, others } = await this.identities.grants(tx, account.id, profile.issuer);
    const wantedIds = new Set(wanted.map(({ id }) => id));
    const gone = own.filter((id) => !wantedIds.has(id));
    const give = wanted.filter(({ id }) => !held.has(id));
    const take = account.roles.filter(({ id }) => gone.includes(id) && !others.includes(id));
    await this.identities.removeGrants(tx, account.id, profile.issuer, gone);
    await this.identities.addGrants(
      tx,
      account.id,
      profile.issuer,
      [...give, ...wanted.filter(({ id }) => others.includes(id))].map(({ id }) => id),
    );
    if (give.length + take.length === 0) return;
    await this.roles.giveAndTake(tx, account.id, { give: give.map(({ id }) => id), take: take.map(({ id }) => id) });
    const before = account.roles.map(({ name }) => name);
    const after = [...account.roles.filter((role) => !take.includes(role)), ...give].map(({ name }) => name);
    await this.audit.record(tx, actor, {
      action: 'user.changed',
      targetType: 'user',
      targetId: account.id,
      before: { roles: before },
      after: { roles: after, issuer: profile.issuer },
    });
  }

  private async wanted(tx: Tx, account: Account, profile: Profile, actor: AuditActor): Promise<RoleLabel[]> {
    const { groups, issuer } = profile;
    const { given, ofGroups } = grantsOf(groups, this.rules);
    const own = await this.ownRoles(tx, account, profile);
    const [givenNow, thirdPartyNow] = [
      await this.roles.findByName(tx, [...given, ...own]),
      await this.roles.findThirdPartyByName(tx, ofGroups),
    ];
    const made = await this.make(tx, {
      given: [...own, ...(this.config.idpCreateRolesFromUserGroups ? given : [])].filter(
        (name) => !isAmong(givenNow, name),
      ),
      ofGroups: this.config.idpCreateRolesFromUserGroups
        ? ofGroups.filter((name) => !isAmong(thirdPartyNow, name))
        : [],
    });
    await this.audit.recordMany(
      tx,
      made.map(({ id, name }) => ({
        actor,
        act: { action: 'role.created', targetType: 'role', targetId: id, after: { name, issuer } },
      })),
    );
    const all = [...givenNow, ...thirdPartyNow, ...made];
    return [...new Map(all.map((role) => [role.id, role])).values()];
  }

  /**
   * The owner role of the user's own address. A directory in which people can edit their own address must not decide
   * whose keys they can read.
   */
  private async ownRoles(tx: Tx, { email, roles }: Account, { way }: Profile): Promise<string[]> {
    if (!this.config.idpCreatePerUserRole) return [];
    if (way !== 'ldap') return [email];
    if (!this.config.ldapTrustEmail) return [];
    return isAmong(roles, email) || (await this.roles.findByName(tx, [email])).length === 0 ? [email] : [];
  }

  private async make(tx: Tx, { given, ofGroups }: { given: string[]; ofGroups: string[] }): Promise<RoleLabel[]> {
    const owners = await this.roles.ensure(
      tx,
      given.filter((name) => name.includes('@')),
    );
    const others = await this.roles.ensure(
      tx,
      given.filter((name) => !name.includes('@')),
      [],
    );
    return [...owners, ...others, ...(await this.roles.addThirdParty(tx, ofGroups))];
  }
}

function isAmong(roles: readonly RoleLabel[], name: string): boolean {
  return roles.some((role) => role.name.toLowerCase() === name.toLowerCase());
}
