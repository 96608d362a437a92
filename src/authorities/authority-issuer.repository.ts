import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import type { KeyRef } from '../platform/keys/key-store.js';
import { AuthorityIssuer, type IssuerOrigin } from './authority-issuer.entity.js';
import { type CaChain, issuerFacts } from './ca-chain.js';

export type NewIssuer = Omit<AuthorityIssuer, 'id'>;

/**
 * Issuing certificates to store, and how the program learned of them. `keyId`: their key, where it is here. `signerId`:
 * as of AuthorityIssuer.
 */
export interface NewIssuers {
  chains: readonly CaChain[];
  origin: IssuerOrigin;
  keyId?: KeyRef | null;
  signerId?: number | null;
}

/** The rows for issuing certificates of an authority; each certificate once. */
export function issuerRows(
  authorityId: number,
  { chains, origin, keyId = null, signerId = null }: NewIssuers,
  actor: Actor,
  now: Date,
): NewIssuer[] {
  const facts = new Map(chains.map((chain) => [issuerFacts(chain).sha256, issuerFacts(chain)]));
  const creatorId = actor.userId || null;
  return [...facts.values()].map((one) => ({
    ...one,
    authorityId,
    origin,
    keyId,
    signerId,
    creatorId,
    createdAt: now,
  }));
}

/** Every query on the issuing certificates of authorities. */
@Injectable()
export class AuthorityIssuerRepository {
  /** In the order in which they were added. */
  of(tx: Tx, authorityId: number): Promise<AuthorityIssuer[]> {
    return tx.find(AuthorityIssuer, { where: { authorityId }, order: { id: 'ASC' } });
  }

  /** A certificate that the authority has already stays as it is. */
  async add(tx: Tx, issuers: readonly NewIssuer[]): Promise<void> {
    await tx
      .createQueryBuilder()
      .insert()
      .into(AuthorityIssuer)
      .values([...issuers])
      .orIgnore()
      .execute();
  }

  /** The certificates of the authority that another authority has too, as PEM. */
  async sharedOf(tx: Tx, authorityId: number): Promise<string[]> {
    const rows: { pem: string }[] = await tx.query(
      `with held as (select id as authority_id, certificate_pem as pem from authority
         union all select authority_id, certificate_pem from authority_issuer)
       select distinct own.pem from held own join held other on other.pem = own.pem
       where own.authority_id = $1 and other.authority_id <> $1`,
      [authorityId],
    );
    return rows.map(({ pem }) => pem);
  }

  /** The names of the users who added these, by their ids. */
  async creatorsOf(tx: Tx, issuers: readonly Pick<AuthorityIssuer, 'creatorId'>[]): Promise<Map<number, string>> {
    const rows: { id: number; username: string }[] = await tx.query(
      'select id, username from app_user where id = any($1)',
      [issuers.flatMap(({ creatorId }) => creatorId ?? [])],
    );
    return new Map(rows.map(({ id, username }) => [id, username]));
  }
}
