import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import type { Page } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { holds, isAdmin, mayChangeAuthority, mayIssueFrom } from '../roles/permission.js';
import { RoleRepository } from '../roles/role.repository.js';
import { Authorities, type LoadedAuthority } from './authorities.js';
import type { Authority } from './authority.entity.js';
import { AuthorityRepository } from './authority.repository.js';
import { type AuthorityQuery, type AuthorityView, authorityView, type CreateAuthority, type UpdateAuthority } from './authority.schema.js';
import { AuthorityMaker } from './create-authority.js';

/** Reads and writes authorities with their roles. */
@Injectable()
export class AuthorityStore {
  constructor(
    private readonly db: Database,
    private readonly repository: AuthorityRepository,
    private readonly roles: RoleRepository,
    private readonly configured: ConfiguredPlugins,
    private readonly audit: Audit,
  ) {}

  /** The new authority gets its owner's role and two of its own: `<name>_admin` and `<name>_operator`. */
  async add(actor: Actor, authority: Omit<Authority, 'id'>, { roles = [] }: CreateAuthority): Promise<AuthorityView> {
    const id = await this.db.write(async (tx) => {
      const own = [
        ...await this.roles.ensure(tx, [authority.owner]),
        ...await this.roles.ensure(tx, [`${authority.name}_admin`, `${authority.name}_operator`], []),
      ];
      const named = await this.roles.locate(tx, 'roles', roles);
      const saved = await this.repository.add(tx, authority, [...own, ...named].map((role) => role.id));
      await this.audit.record(tx, actor, {
        action: 'authority.created', targetType: 'authority', targetId: saved.id,
        after: { name: saved.name, owner: saved.owner, parentId: saved.parentId, notAfter: saved.notAfter },
      });
      return saved.id;
    });
    return this.view(id);
  }

  async update(actor: Actor, before: Authority, request: UpdateAuthority): Promise<void> {
    await this.db.write(async (tx) => {
      const after = await this.repository.change(tx, before.id, (row) => this.apply(row, request));
      if (request.roles || request.owner !== before.owner) {
        const own = await this.roles.ensure(tx, [after.owner]);
        const kept = request.roles ? await this.roles.locate(tx, 'roles', request.roles) : (await this.repository.rolesOf(tx, [after.id])).get(after.id) ?? [];
        await this.repository.setRoles(tx, after.id, [...own, ...kept].map((role) => role.id));
      }
      await this.audit.record(tx, actor, {
        action: 'authority.updated', targetType: 'authority', targetId: after.id,
        before: { owner: before.owner, active: before.active }, after: { owner: after.owner, active: after.active },
      });
    });
  }

  async view(id: number): Promise<AuthorityView> {
    return (await this.views([await this.repository.get(this.db.single, id)]))[0] as AuthorityView;
  }

  async list(actor: Actor, query: AuthorityQuery): Promise<Page<AuthorityView>> {
    const viewer = { userId: actor.userId, roleIds: actor.roles.map((role) => role.id), all: isAdmin(actor) || holds(actor, 'operator') || holds(actor, 'read-only') };
    const page = await this.repository.list(this.db.single, query, viewer);
    return { ...page, items: await this.views(page.items) };
  }

  private async views(authorities: readonly Authority[]): Promise<AuthorityView[]> {
    const roles = await this.repository.rolesOf(this.db.single, authorities.map((authority) => authority.id));
    return authorities.map((authority) => authorityView(authority, roles.get(authority.id) ?? [], this.configured.view('issuer', authority)));
  }

  private apply(row: Authority, request: UpdateAuthority): void {
    row.owner = request.owner;
    row.active = request.active;
    if (request.description !== undefined) row.description = request.description;
    if (request.maxValidityDays !== undefined) row.maxValidityDays = request.maxValidityDays;
    if (request.defaultValidityDays !== undefined) row.defaultValidityDays = request.defaultValidityDays;
    if (request.isPrivate !== undefined) row.isPrivate = request.isPrivate;
    if (request.isCabCompliant !== undefined) row.isCabCompliant = request.isCabCompliant;
    if (request.isCnOptional !== undefined) row.isCnOptional = request.isCnOptional;
    if (request.plugin) Object.assign(row, this.configured.seal(this.configured.plugin('issuer', row.pluginId), request.plugin, 'authority', row));
  }
}

function mayUse(actor: Actor, { authority, roles }: LoadedAuthority): boolean {
  return mayIssueFrom(actor, { owner: authority.owner, roleIds: roles.map((role) => role.id) });
}

/** The use cases on authorities. */
@Injectable()
export class AuthorityService {
  constructor(
    private readonly authorities: Authorities,
    private readonly maker: AuthorityMaker,
    private readonly store: AuthorityStore,
  ) {}

  async create(actor: Actor, request: CreateAuthority): Promise<AuthorityView> {
    const parent = request.parent ? await this.parent(actor, request.parent) : null;
    return this.store.add(actor, await this.maker.make(request, parent, actor.userId || null), request);
  }

  async get(id: number): Promise<AuthorityView> {
    return this.store.view(id);
  }

  list(actor: Actor, query: AuthorityQuery): Promise<Page<AuthorityView>> {
    return this.store.list(actor, query);
  }

  async update(actor: Actor, id: number, request: UpdateAuthority): Promise<AuthorityView> {
    const loaded = await this.authorities.get(id);
    if (!mayChangeAuthority(actor, loaded.authority)) throw new Problem('forbidden', `You are not allowed to change authority ${loaded.authority.name}.`);
    await this.store.update(actor, loaded.authority, request);
    this.authorities.forget(id);
    return this.store.view(id);
  }

  private async parent(actor: Actor, ref: CreateAuthority['parent'] & object): Promise<LoadedAuthority> {
    const parent = await this.authorities.get((await this.authorities.resolve(ref, 'parent')).authority.id);
    if (!mayUse(actor, parent)) throw new Problem('forbidden', `You are not allowed to use authority ${parent.authority.name} as a parent.`);
    if (!parent.authority.active) throw new Problem('conflict', `Authority ${parent.authority.name} is not active.`);
    return parent;
  }
}
