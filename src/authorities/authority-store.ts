import { Config } from '../platform/config.js';
import { demandAllowedOwner } from '../roles/owner-domain.js';
import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { ProfileRepository } from '../profiles/profile.repository.js';
import { mayChangeAuthority, type Owned } from '../roles/permission.js';
import { RoleRepository } from '../roles/role.repository.js';
import type { Authority, NewAuthority } from './authority.entity.js';
import { AuthorityRepository, viewerOf } from './authority.repository.js';
import { AuthorityIssuerRepository, issuerRows, type NewIssuers } from './authority-issuer.repository.js';
import { authorityChanged } from './authority-changed.js';
import type { AuthorityRole, CreateAuthority, UpdateAuthority } from './authority.schema.js';
import { demandNoLooser, demandWithin } from './limits.js';
import { optionsAsLemur, readOptions } from './lemur-options.js';

type ProfilesOfAuthority = Pick<Authority, 'defaultProfileId' | 'allowedProfileIds'>;

/** What is stored with a new authority. `also`: more to do in the same transaction. */
interface Beside {
  request: Pick<CreateAuthority, 'roles' | 'defaultProfile' | 'allowedProfiles'>;
  issuers: NewIssuers | null;
  also?: (tx: Tx) => Promise<void>;
}

/** Writes authorities with their roles. */
@Injectable()
export class AuthorityStore {
  constructor(
    private readonly db: Database,
    private readonly repository: AuthorityRepository,
    private readonly roles: RoleRepository,
    private readonly configured: ConfiguredPlugins,
    private readonly audit: Audit,
    private readonly config: Config,
    private readonly issuers: AuthorityIssuerRepository,
    private readonly profiles: ProfileRepository,
  ) {}

  /**
   * The id. The new authority gets its owner's role and two of its own: `<name>_admin` and `<name>_operator`. Throws
   * Problem `conflict` when a role of such a name exists: its holders would get rights that nobody gave them.
   */
  add(actor: Actor, authority: NewAuthority, { request, issuers, also }: Beside): Promise<number> {
    return this.db.write(async (tx) => {
      await this.demandFreeName(tx, authority.name);
      await also?.(tx);
      const profiled = { ...authority, ...(await this.profilesOf(tx, authority, request)) };
      const owners = await this.roles.ensure(tx, [authority.owner]);
      const named = await this.roles.locate(tx, 'roles', request.roles ?? []);
      const own = [
        await this.ownRole(tx, authority.name, 'admin', 'May change'),
        await this.ownRole(tx, authority.name, 'operator', 'May issue from'),
      ];
      // The limits of the parent may have been tightened since it signed.
      if (authority.parentId !== null) demandWithin(await this.repository.limitsOf(tx, authority.parentId), authority);
      const saved = await this.repository.add(tx, profiled, [...[...owners, ...named].map((role) => role.id), ...own]);
      if (issuers) await this.issuers.add(tx, issuerRows(saved.id, issuers, actor, saved.createdAt));
      if (saved.keyId !== null) await authorityChanged.enqueue(tx, { authorityId: saved.id });
      await this.audit.record(tx, actor, {
        action: 'authority.created',
        targetType: 'authority',
        targetId: saved.id,
        after: recorded(saved, await this.repository.rolesOfOne(tx, saved.id)),
      });
      return saved.id;
    });
  }

  /** Throws Problem `conflict`. */
  async demandFreeName(tx: Tx, name: string): Promise<void> {
    if (await this.repository.find(tx, { name }))
      throw new Problem('conflict', `There is already an authority ${name}.`);
  }

  /**
   * Throws Problem: `not-found`, also when the actor may not know of the authority, `forbidden`, or `invalid-request`,
   * which names the member at fault.
   */
  async update(actor: Actor, id: number, request: UpdateAuthority): Promise<void> {
    await this.db.write(async (tx) => {
      await this.repository.demandVisible(tx, id, viewerOf(actor));
      const row = await this.repository.lock(tx, id);
      const [before, rolesBefore] = [{ ...row }, await this.repository.rolesOfOne(tx, id)];
      demandRight(actor, row, rolesBefore);
      if (request.name !== undefined && request.name !== row.name)
        throw invalid('name', 'An authority keeps its name.');
      this.apply(row, request);
      Object.assign(row, await this.profilesOf(tx, row, request));
      if (row.owner !== before.owner) demandAllowedOwner(row.owner, this.config);
      demandNoLooser(actor, before, row);
      if (row.parentId !== null) demandWithin(await this.repository.limitsOf(tx, row.parentId), row, before);
      await this.repository.save(tx, row);
      await this.linkRoles(tx, before, row, request);
      if (row.keyId !== null) await authorityChanged.enqueue(tx, { authorityId: id });
      const roles = await this.repository.rolesOfOne(tx, id);
      const secrets = this.configured.secretsChanged(before, row, 'authority');
      await this.audit.record(tx, actor, {
        action: 'authority.updated',
        targetType: 'authority',
        targetId: id,
        before: recorded(before, rolesBefore),
        after: { ...recorded(row, roles), ...(secrets.length > 0 && { secretsChanged: secrets }) },
      });
    });
  }

  /** The ids of the profiles that a request names. Throws Problem `invalid-request` on their members. */
  private async profilesOf(
    tx: Tx,
    before: ProfilesOfAuthority,
    { defaultProfile, allowedProfiles }: Pick<UpdateAuthority, 'defaultProfile' | 'allowedProfiles'>,
  ): Promise<Partial<ProfilesOfAuthority>> {
    const usual = defaultProfile && (await this.profiles.locate(tx, 'defaultProfile', [defaultProfile]));
    const ids = {
      ...(defaultProfile !== undefined && { defaultProfileId: usual?.[0] ?? null }),
      ...(allowedProfiles && { allowedProfileIds: await this.profiles.locate(tx, 'allowedProfiles', allowedProfiles) }),
    };
    const { defaultProfileId, allowedProfileIds } = { ...before, ...ids };
    if (defaultProfileId !== null && allowedProfileIds.length > 0 && !allowedProfileIds.includes(defaultProfileId))
      throw invalid('defaultProfile', 'The default profile is not one of allowedProfiles.');
    return ids;
  }

  private async linkRoles(tx: Tx, before: Authority, after: Authority, { roles }: UpdateAuthority): Promise<void> {
    if (!roles && after.owner === before.owner) return;
    const own = await this.roles.ensure(tx, [after.owner]);
    const others = roles ? await this.roles.locate(tx, 'roles', roles) : await this.repository.rolesOfOne(tx, after.id);
    await this.repository.setRoles(
      tx,
      after.id,
      [...own, ...others].map((role) => role.id),
    );
  }

  private ownRole(tx: Tx, authority: string, suffix: string, what: string): Promise<number> {
    return this.roles.add(tx, {
      name: `${authority}_${suffix}`,
      description: `${what} the authority ${authority}.`,
      permissions: [],
    });
  }

  /** Options in Lemur's form count only if they differ from the stored ones: clients send back the whole object. */
  private apply(row: Authority, request: UpdateAuthority): void {
    const shown = optionsAsLemur(row, this.configured.view('issuer', row));
    const wished = request.options === undefined || request.options === shown ? {} : readOptions(request.options);
    const { owner, active, description, maxValidityDays, defaultValidityDays, orderDeadlineDays, isPrivate } = request;
    const { validityBeyondCa } = request;
    const { isCabCompliant = request.isCabCompliant, isCnOptional = request.isCnOptional } = wished;
    const given = {
      owner,
      active,
      description,
      maxValidityDays,
      defaultValidityDays,
      orderDeadlineDays,
      isPrivate,
      isCabCompliant,
      isCnOptional,
      validityBeyondCa,
    };
    Object.assign(row, Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
    const plugin = this.configured.plugin('issuer', row.pluginId);
    if (request.plugin) Object.assign(row, this.configured.seal(plugin, request.plugin, 'authority', row));
    if (!wished.pluginOptions) return;
    const kept = Object.entries(row.options)
      .map(([name, value]) => ({ name, value }))
      .filter(({ name }) => !wished.pluginOptions?.some((one) => one.name === name));
    Object.assign(
      row,
      this.configured.seal(
        plugin,
        { slug: plugin.id, pluginOptions: [...kept, ...wished.pluginOptions] },
        'authority',
        row,
      ),
    );
  }
}

/** May the actor change it? The right to issue from it is not enough. Throws Problem `forbidden`. */
export function demandRight(actor: Actor, authority: Authority, roles: readonly AuthorityRole[]): void {
  if (mayChangeAuthority(actor, forChanges(authority, roles))) return;
  throw new Problem('forbidden', `You are not allowed to change authority ${authority.name}.`);
}

/** Who may change an authority: its owner and the holders of `<name>_admin`. */
export function forChanges({ name, owner }: Authority, roles: readonly AuthorityRole[]): Owned {
  return { owner, roleIds: roles.filter((role) => role.name === `${name}_admin`).map(({ id }) => id) };
}

/** What the audit log keeps of an authority. */
function recorded(authority: Authority, roles: readonly AuthorityRole[]): object {
  const {
    name,
    owner,
    description,
    active,
    parentId,
    notAfter,
    maxValidityDays,
    defaultValidityDays,
    orderDeadlineDays,
    isPrivate,
    isCabCompliant,
    isCnOptional,
    validityBeyondCa,
    defaultProfileId,
    allowedProfileIds,
    options,
  } = authority;
  return {
    name,
    owner,
    description,
    active,
    parentId,
    notAfter,
    maxValidityDays,
    defaultValidityDays,
    orderDeadlineDays,
    isPrivate,
    isCabCompliant,
    isCnOptional,
    validityBeyondCa,
    defaultProfileId,
    allowedProfileIds,
    options,
    roles: roles.map((role) => role.name),
  };
}
