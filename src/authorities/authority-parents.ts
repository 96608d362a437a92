import { Injectable } from '@nestjs/common';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import type { Reference } from '../platform/http/reference.js';
import { mayChangeAuthority } from '../roles/permission.js';
import { Authorities, demandActive, type LoadedAuthority, unknownAuthority } from './authorities.js';
import { AuthorityReader } from './authority-reader.js';
import { forChanges } from './authority-store.js';

/** The authorities that may sign another one. */
@Injectable()
export class AuthorityParents {
  constructor(
    private readonly authorities: Authorities,
    private readonly reader: AuthorityReader,
  ) {}

  /** Throws Problem `invalid-request`, `forbidden` or `authority-inactive`. */
  async get(actor: Actor, ref: Reference): Promise<LoadedAuthority> {
    const { id } = (await this.authorities.resolve(ref, 'parent')).authority;
    if (!(await this.reader.sees(actor, id))) throw unknownAuthority(ref, 'parent');
    const parent = await this.authorities.get(id);
    const { authority, roles } = parent;
    // A CA issues whatever it likes in its parent's name: the right to issue leaves is not enough.
    if (!mayChangeAuthority(actor, forChanges(authority, roles))) {
      throw new Problem('forbidden', `You are not allowed to use authority ${authority.name} as a parent.`);
    }
    demandActive(authority);
    return parent;
  }
}
