import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
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

  /** Whether an authority of this name is made once its certificate arrives. */
  async isWaiting(tx: Tx, name: string): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      'select from authority_csr where lower(name) = lower($1) and authority_id is null',
      [name],
    );
    return rows.length > 0;
  }

  add(tx: Tx, csr: Omit<AuthorityCsr, 'id'>): Promise<AuthorityCsr> {
    return tx.save(tx.create(AuthorityCsr, csr));
  }

  async delete(tx: Tx, id: number): Promise<void> {
    await tx.delete(AuthorityCsr, { id });
  }
}

/** The same whether it does not exist or the actor may not know of it. */
export function notFound(id: number): Problem {
  return new Problem('not-found', `There is no certificate request ${id} of an authority.`);
}
