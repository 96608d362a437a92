import { Injectable } from '@nestjs/common';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { mayIssueFrom } from '../roles/permission.js';
import { AuthorityStore } from './authority-store.js';
import { AuthorityReader } from './authority-reader.js';
import { Authorities, type LoadedAuthority } from './authorities.js';
import type { AuthorityView, CreateAuthority, UpdateAuthority } from './authority.schema.js';
import { AuthorityMaker } from './create-authority.js';
import { demandWithin } from './limits.js';

/** Makes and changes authorities. */
@Injectable()
export class AuthorityService {
  constructor(
    private readonly authorities: Authorities,
    private readonly maker: AuthorityMaker,
    private readonly store: AuthorityStore,
    private readonly reader: AuthorityReader,
  ) {}

  async create(actor: Actor, request: CreateAuthority): Promise<AuthorityView> {
    const parent = request.parent ? await this.parent(actor, request.parent) : null;
    if (parent) demandWithin(parent.limits, request);
    return this.reader.view(await this.store.add(actor, await this.maker.make(request, parent, actor), request));
  }

  async update(actor: Actor, id: number, request: UpdateAuthority): Promise<AuthorityView> {
    await this.store.update(actor, id, request);
    this.authorities.forget(id);
    return this.reader.view(id);
  }

  private async parent(actor: Actor, ref: CreateAuthority['parent'] & object): Promise<LoadedAuthority> {
    const parent = await this.authorities.get((await this.authorities.resolve(ref, 'parent')).authority.id);
    const { authority, roles } = parent;
    if (!mayIssueFrom(actor, { owner: authority.owner, roleIds: roles.map((role) => role.id) })) {
      throw new Problem('forbidden', `You are not allowed to use authority ${authority.name} as a parent.`);
    }
    if (!authority.active) throw new Problem('conflict', `Authority ${authority.name} is not active.`);
    return parent;
  }
}
