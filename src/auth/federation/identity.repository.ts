import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import { UserIdentity } from './user-identity.entity.js';

/** A person at an identity provider: `iss` and `sub` of OpenID Connect, or their LDAP equivalents. */
export interface Subject {
  issuer: string;
  subject: string;
}

/** Every query on `user_identity`, `federated_role` and `used_sign_in_state`. */
@Injectable()
export class IdentityRepository {
  /** Serializes sign-ins of the same subject until `tx` ends. */
  async lock(tx: Tx, { issuer, subject }: Subject): Promise<void> {
    await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [JSON.stringify([issuer, subject])]);
  }

  async findUserId(tx: Tx, { issuer, subject }: Subject): Promise<number | null> {
    const [row] = await tx.query<{ userId: number }[]>(
      'select user_id as "userId" from user_identity where issuer = $1 and subject = $2',
      [issuer, subject],
    );
    return row?.userId ?? null;
  }

  /** True if the user is linked to a subject of this issuer. */
  async has(tx: Tx, userId: number, issuer: string): Promise<boolean> {
    return tx.existsBy(UserIdentity, { userId, issuer });
  }

  async add(tx: Tx, userId: number, { issuer, subject }: Subject): Promise<void> {
    await tx.insert(UserIdentity, { userId, issuer, subject });
  }

  async touch(tx: Tx, { issuer, subject }: Subject, at: Date): Promise<void> {
    await tx.update(UserIdentity, { issuer, subject }, { lastSignInAt: at });
  }

  /** In order of id. */
  async listOfUser(tx: Tx, userId: number): Promise<UserIdentity[]> {
    return tx.find(UserIdentity, { where: { userId }, order: { id: 'ASC' } });
  }

  /** Unlinks the identity and returns it, or null. The next sign-in with it is treated as a new user. */
  async remove(tx: Tx, userId: number, id: number): Promise<UserIdentity | null> {
    const identity = await tx.findOneBy(UserIdentity, { id, userId });
    if (identity) await tx.delete(UserIdentity, { id });
    return identity;
  }

  /** Ids of the roles that this issuer assigned (`own`) and that other issuers assigned (`others`). */
  async grants(tx: Tx, userId: number, issuer: string): Promise<{ own: number[]; others: number[] }> {
    const rows = await tx.query<{ roleId: number; issuer: string }[]>(
      'select role_id as "roleId", issuer from federated_role where user_id = $1',
      [userId],
    );
    const ids = (own: boolean): number[] =>
      rows.filter((row) => (row.issuer === issuer) === own).map(({ roleId }) => roleId);
    return { own: ids(true), others: ids(false) };
  }

  /** Records that the issuer assigned the roles. */
  async addGrants(tx: Tx, userId: number, issuer: string, roleIds: readonly number[]): Promise<void> {
    await tx.query(
      'insert into federated_role (user_id, role_id, issuer) select $1, unnest($2::int[]), $3 on conflict do nothing',
      [userId, roleIds, issuer],
    );
  }

  async removeGrants(tx: Tx, userId: number, issuer: string, roleIds: readonly number[]): Promise<void> {
    await tx.query('delete from federated_role where user_id = $1 and issuer = $2 and role_id = any($3::int[])', [
      userId,
      issuer,
      roleIds,
    ]);
  }

  /** Attributes the third-party roles of a newly linked user to the issuer, so that it can remove them later. */
  async adoptThirdPartyRoles(tx: Tx, userId: number, issuer: string): Promise<void> {
    await tx.query(
      `insert into federated_role (user_id, role_id, issuer)
       select ur.user_id, ur.role_id, $2 from user_role ur join role r on r.id = ur.role_id
         where ur.user_id = $1 and r.third_party
       on conflict do nothing`,
      [userId, issuer],
    );
  }

  /** True the first time, false for a used state. Deletes states that have expired at `now`, a few at a time. */
  async useState(tx: Tx, id: string, expiresAt: Date, now: Date): Promise<boolean> {
    await tx.query(
      `delete from used_sign_in_state where id in (select id from used_sign_in_state where expires_at < $1 limit 100
        for update skip locked)`,
      [now],
    );
    const rows = await tx.query<unknown[]>(
      'insert into used_sign_in_state (id, expires_at) values ($1, $2) on conflict do nothing returning id',
      [id, expiresAt],
    );
    return rows.length > 0;
  }
}
