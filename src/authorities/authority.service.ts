import { Injectable } from '@nestjs/common';
import { Config } from '../platform/config.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { demandAllowedOwner } from '../roles/owner-domain.js';
import { isAdmin, mayMakeAuthorityFor } from '../roles/permission.js';
import { AuthorityParents } from './authority-parents.js';
import { AuthorityStore } from './authority-store.js';
import { AuthorityReader } from './authority-reader.js';
import type { AuthorityView, CreateAuthority, UpdateAuthority } from './authority.schema.js';
import { AuthorityMaker } from './create-authority.js';
import { demandWithin } from './limits.js';

/** Makes and changes authorities. */
@Injectable()
export class AuthorityService {
  constructor(
    private readonly parents: AuthorityParents,
    private readonly maker: AuthorityMaker,
    private readonly store: AuthorityStore,
    private readonly reader: AuthorityReader,
    private readonly config: Config,
  ) {}

  async create(actor: Actor, request: CreateAuthority): Promise<AuthorityView> {
    if (!mayMakeAuthorityFor(actor, request.owner))
      throw new Problem(
        'forbidden',
        `Make authorities for an owner whose role you hold; you do not hold that of ${request.owner}.`,
      );
    demandAllowedOwner(request.owner, this.config);
    if (request.isPrivate && !isAdmin(actor))
      throw new Problem('forbidden', 'Only an administrator frees an authority from the rules on names (isPrivate).');
    const parent = request.parent ? await this.parents.get(actor, request.parent) : null;
    if (parent) demandWithin(parent.limits, request);
    const chosen = { ...request, plugin: request.plugin ?? this.usualPlugin() };
    const id = await this.maker.make(chosen, parent, actor, (authority, issuers) =>
      this.store.add(actor, authority, request, issuers),
    );
    return this.reader.view(id);
  }

  async update(actor: Actor, id: number, request: UpdateAuthority): Promise<AuthorityView> {
    await this.store.update(actor, id, request);
    return this.reader.view(id);
  }

  private usualPlugin(): CreateAuthority['plugin'] {
    return this.config.defaultIssuerPlugin === undefined ? undefined : { slug: this.config.defaultIssuerPlugin };
  }
}
