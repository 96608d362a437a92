import { Injectable } from '@nestjs/common';
import { LessThan } from 'typeorm';
import type { Tx } from '../platform/db/database.js';
import type { KeyRef } from '../platform/keys/key-store.js';
import { Problem } from '../platform/http/problem.js';
import { AuthorityCsr } from './authority-csr.entity.js';

/** Every query on the keys of CAs that wait for their certificate. */
@Injectable()
export class AuthorityCsrRepository {
  /** In order of id; `creatorId` null: of everybody. */
  list(tx: Tx, creatorId: number | null): Promise<AuthorityCsr[]> {
    return tx.find(AuthorityCsr, { where: creatorId === null ? {} : { creatorId }, order: { id: 'ASC' } });
  }

  /** Throws Problem `not-found`. */
  async get(tx: Tx, id: number): Promise<AuthorityCsr> {
    const found = await tx.findOneBy(AuthorityCsr, { id });
    if (!found) throw notFound(id);
    return found;
  }

  /** Throws Problem `not-found`. */
  async lock(tx: Tx, id: number): Promise<AuthorityCsr> {
    const found = await tx.findOne(AuthorityCsr, { where: { id }, lock: { mode: 'pessimistic_write' } });
    if (!found) throw notFound(id);
    return found;
  }

  /** The refusal to use an authority of this name when it is made only once its certificate arrives; else null. */
  async waiting(tx: Tx, name: string): Promise<Problem | null> {
    const rows: unknown[] = await tx.query(
      'select from authority_csr where lower(name) = lower($1) and authority_id is null',
      [name],
    );
    const text = 'has no certificate yet: it issues once the certificate arrives that another CA is to sign.';
    return rows.length === 0 ? null : new Problem('authority-inactive', `Authority ${name} ${text}`);
  }

  add(tx: Tx, csr: Omit<AuthorityCsr, 'id'>): Promise<AuthorityCsr> {
    return tx.save(tx.create(AuthorityCsr, csr));
  }

  /** Deletes the requests of an authority for keys that are older than this one, and gives them. */
  async takeEarlier(tx: Tx, authorityId: number, keyId: KeyRef): Promise<AuthorityCsr[]> {
    const found = await tx.findBy(AuthorityCsr, { authorityId, keyId: LessThan(keyId) });
    for (const { id } of found) await this.delete(tx, id);
    return found;
  }

  async delete(tx: Tx, id: number): Promise<void> {
    await tx.delete(AuthorityCsr, { id });
  }
}

/** The same whether it does not exist or the actor may not know of it. */
export function notFound(id: number): Problem {
  return new Problem('not-found', `There is no certificate request ${id} of an authority.`);
}
