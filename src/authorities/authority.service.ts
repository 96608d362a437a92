import { Injectable } from '@nestjs/common';
import type { Actor } from '../platform/http/actor.js';
import { AuthorityParents } from './authority-parents.js';
import { AuthorityStore } from './authority-store.js';
import { AuthorityReader } from './authority-reader.js';
import type { AuthorityView, CreateAuthority, UpdateAuthority } from './authority.schema.js';
import { AuthorityMaker } from './create-authority.js';

/** Makes and changes authorities. */
@Injectable()
export class AuthorityService {
  constructor(
    private readonly parents: AuthorityParents,
    private readonly maker: AuthorityMaker,
    private readonly store: AuthorityStore,
    private readonly reader: AuthorityReader,
  ) {}

  async create(actor: Actor, request: CreateAuthority): Promise<AuthorityView> {
    const parent = request.parent ? await this.parents.get(actor, request.parent) : null;
    const id = await this.maker.make(request, parent, actor, (authority, issuers) =>
      this.store.add(actor, authority, { request, issuers }),
    );
    return this.reader.view(id);
  }

  async update(actor: Actor, id: number, request: UpdateAuthority): Promise<AuthorityView> {
    await this.store.update(actor, id, request);
    return this.reader.view(id);
  }
}
