import { Injectable } from '@nestjs/common';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { mayChangeAuthority, mayIssueFrom } from '../roles/permission.js';
import { AuthorityStore } from './authority-store.js';
import { AuthorityReader } from './authority-reader.js';
import { Authorities, type LoadedAuthority } from './authorities.js';
import type { Authority } from './authority.entity.js';
import type { AuthorityView, CreateAuthority, UpdateAuthority } from './authority.schema.js';
import { AuthorityMaker } from './create-authority.js';

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
    if (parent) demandWithin(parent.authority, request);
    return this.reader.view(await this.store.add(actor, await this.maker.make(request, parent, actor), request));
  }

  async update(actor: Actor, id: number, request: UpdateAuthority): Promise<AuthorityView> {
    const { authority, roles } = await this.authorities.get(id);
    const adminRole = roles.find(({ name }) => name === `${authority.name}_admin`);
    if (!mayChangeAuthority(actor, { owner: authority.owner, roleIds: adminRole ? [adminRole.id] : [] })) {
      throw new Problem('forbidden', `You are not allowed to change authority ${authority.name}.`);
    }
    if (request.name !== undefined && request.name !== authority.name) throw invalid('name', 'An authority keeps its name.');
    if (authority.parentId !== null) demandWithin((await this.authorities.get(authority.parentId)).authority, { ...authority, ...request });
    await this.store.update(actor, authority, request);
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

/** A CA below another would else be a way around that one's limits. Throws Problem `invalid-request`. */
function demandWithin(parent: Authority, { maxValidityDays, isCabCompliant }: Pick<UpdateAuthority, 'maxValidityDays' | 'isCabCompliant'>): void {
  const limit = parent.maxValidityDays;
  if (limit !== null && maxValidityDays !== undefined && (maxValidityDays ?? Infinity) > limit) {
    throw invalid('maxValidityDays', `The parent issues for at most ${limit} days, and so do the authorities below it.`);
  }
  if (parent.isCabCompliant && (isCabCompliant === false || isCabCompliant === null)) {
    throw invalid('isCabCompliant', 'The parent keeps to the limits of publicly trusted TLS, and so do the authorities below it.');
  }
}
