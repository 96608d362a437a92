import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { KeyStore } from '../platform/keys/key-store.js';
import { Authorities } from './authorities.js';
import { AuthorityIssuers } from './authority-issuers.js';
import { AuthorityRepository, type Dependents } from './authority.repository.js';

/** Deletes authorities on which nothing depends, with their keys. */
@Injectable()
export class AuthorityRemoval {
  constructor(
    private readonly db: Database,
    private readonly repository: AuthorityRepository,
    private readonly issuers: AuthorityIssuers,
    private readonly authorities: Authorities,
    private readonly keys: KeyStore,
    private readonly audit: Audit,
  ) {}

  /** Throws Problem `not-found`, `forbidden`, or `in-use`, which lists what depends on it. */
  async remove(actor: Actor, id: number): Promise<void> {
    await this.issuers.demandChange(actor, id);
    const keys = await this.db.write(async (tx) => {
      const { name, owner, serialHex, notAfter } = await this.repository.lock(tx, id);
      const dependents = await this.repository.dependents(tx, id);
      if (dependents.length > 0) throw inUse(name, dependents);
      const held = await this.authorities.keysOf(id, tx);
      await this.repository.delete(tx, id);
      await this.audit.record(tx, actor, {
        action: 'authority.deleted',
        targetType: 'authority',
        targetId: id,
        before: { name, owner, serialHex, notAfter },
      });
      return held;
    });
    // A key that stays behind when this process dies now is sealed and signs for nothing.
    await Promise.all(keys.map(({ keyId }) => this.keys.forget(keyId)));
  }
}

/** `reasons` has the ids by kind. */
function inUse(name: string, dependents: readonly Dependents[]): Problem {
  const kinds = dependents.map(({ kind, count }) => `${kind}: ${count}`).join(', ');
  return new Problem('in-use', `Authority ${name} is still needed (${kinds}). Make it inactive instead.`, {
    reasons: Object.fromEntries(
      dependents.map(({ kind, count, ids }) => [
        kind,
        [...ids, ...(count > ids.length ? [`and ${count - ids.length} more`] : [])],
      ]),
    ),
  });
}
