import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { KeyStore } from '../platform/keys/key-store.js';
import type { Page } from '../platform/http/page.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { ProfileRepository } from '../profiles/profile.repository.js';
import { RoleRelations } from '../roles/role-relations.js';
import { type AuthorityLabel, authorityLabel, type LabelledAuthority } from './authority-label.js';
import type { Authority } from './authority.entity.js';
import { AuthorityRepository, viewerOf } from './authority.repository.js';
import { type AuthorityQuery, type AuthorityRole, type AuthorityView, authorityView } from './authority.schema.js';

/** An authority as the tree of its certificates shows it. */
export type AuthorityNode = Pick<Authority, 'id' | 'name' | 'parentId'>;

/** Reads authorities for actors who may see them: their creator, holders of their roles, and who may see all. */
@Injectable()
export class AuthorityReader {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly repository: AuthorityRepository,
    private readonly configured: ConfiguredPlugins,
    private readonly keys: KeyStore,
    private readonly profiles: ProfileRepository,
    roles: RoleRelations,
  ) {
    roles.showAuthorities(async (tx, roleIds) => {
      const found = await repository.ofRoles(tx, roleIds);
      const label = (one: LabelledAuthority): AuthorityLabel => authorityLabel(one, configured, clock.now());
      return new Map([...found].map(([roleId, authorities]) => [roleId, authorities.map(label)]));
    });
  }

  async list(actor: Actor, query: AuthorityQuery): Promise<Page<AuthorityView>> {
    const page = await this.repository.list(this.db.single, this.configured.asStored('issuer', query), viewerOf(actor));
    return { ...page, items: await this.views(page.items) };
  }

  /** Throws Problem `not-found`, also when the actor may not know of the authority. */
  async see(actor: Actor, id: number): Promise<AuthorityView> {
    await this.repository.demandVisible(this.db.single, id, viewerOf(actor));
    return this.view(id);
  }

  sees(actor: Actor, id: number): Promise<boolean> {
    return this.repository.isVisible(this.db.single, id, viewerOf(actor));
  }

  /** As `see`. */
  async rolesOf(actor: Actor, id: number): Promise<AuthorityRole[]> {
    await this.repository.demandVisible(this.db.single, id, viewerOf(actor));
    return this.repository.rolesOfOne(this.db.single, id);
  }

  /**
   * The authority and the authorities below it that the actor may see, at most `most`, in order of id. Throws as `see`.
   */
  async family(actor: Actor, id: number, most: number): Promise<AuthorityNode[]> {
    await this.repository.demandVisible(this.db.single, id, viewerOf(actor));
    return this.repository.family(this.db.single, id, viewerOf(actor), most);
  }

  async view(id: number): Promise<AuthorityView> {
    return (await this.views([await this.repository.get(this.db.single, id)]))[0] as AuthorityView;
  }

  private async views(authorities: readonly Authority[]): Promise<AuthorityView[]> {
    const ids = authorities.map(({ id }) => id);
    const used = authorities.flatMap((one) => [one.defaultProfileId ?? [], one.allowedProfileIds].flat());
    const keyIds = authorities.flatMap(({ keyId }) => keyId ?? []);
    const [stores, roles, limits, creators, profileNames] = await Promise.all([
      this.keys.storesOf(keyIds),
      this.repository.rolesOf(this.db.single, ids),
      this.repository.limitsOfMany(this.db.single, ids),
      this.repository.creatorsOf(this.db.single, ids),
      this.profiles.namesOf(this.db.single, used),
    ]);
    return authorities.map((authority) =>
      authorityView(authority, {
        roles: roles.get(authority.id) ?? [],
        limits: limits(authority.id),
        plugin: this.configured.view('issuer', authority),
        creator: creators.get(authority.id) ?? null,
        keyStore: authority.keyId === null ? null : (stores.get(authority.keyId) ?? null),
        profileNames,
        now: this.clock.now(),
      }),
    );
  }
}
