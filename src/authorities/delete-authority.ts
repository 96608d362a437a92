import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database, type Tx } from '../platform/db/database.js';
import { dependentsOf, refuseInUse } from '../platform/db/dependents.js';
import type { Actor } from '../platform/http/actor.js';
import { KeyStore } from '../platform/keys/key-store.js';
import { Authorities } from './authorities.js';
import type { Authority } from './authority.entity.js';
import { AuthorityIssuers } from './authority-issuers.js';
import { AuthorityRepository } from './authority.repository.js';

/** Throws Problem when the authority must not be deleted. */
type Demand = (tx: Tx, authority: Authority) => Promise<void>;

/** Deletes authorities on which nothing depends, with their keys. */
@Injectable()
export class AuthorityRemoval {
  private readonly demands: Demand[] = [];

  constructor(
    private readonly db: Database,
    private readonly repository: AuthorityRepository,
    private readonly issuers: AuthorityIssuers,
    private readonly authorities: Authorities,
    private readonly keys: KeyStore,
    private readonly audit: Audit,
  ) {}

  /** Asks in the transaction of each deletion, with the locked row. */
  demandBefore(demand: Demand): void {
    this.demands.push(demand);
  }

  /**
   * Throws Problem `not-found`, `forbidden`, `in-use`, which lists what depends on it, or what another part demands.
   */
  async remove(actor: Actor, id: number): Promise<void> {
    await this.issuers.demandChange(actor, id);
    const keys = await this.db.write(async (tx) => {
      const row = await this.repository.lock(tx, id);
      const { name, owner, serialHex, notAfter } = row;
      refuseInUse(await dependentsOf(tx, 'authority', id), `Authority ${name}`, 'Make it inactive instead.');
      for (const demand of this.demands) await demand(tx, row);
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
