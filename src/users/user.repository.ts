import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import type { Tx } from '../platform/db/database.js';
import { likePattern } from '../platform/db/list-filter.js';
import { orConflict } from './or-conflict.js';
import { User } from './user.entity.js';

/** The writable columns of a user. */
export type UserFields = Partial<Pick<User, 'username' | 'email' | 'active' | 'passwordHash'>>;

const clashes: Readonly<Record<string, string>> = {
  app_user_username_unique: 'There is already a user with this name.',
  app_user_email_unique: 'There is already a user with this e-mail address.',
};

/** Every query on `app_user` alone. */
@Injectable()
export class UserRepository {
  /**
   * By user name, else by e-mail address, ignoring case and how a keyboard composes characters; with the password hash.
   */
  async findForSignIn(tx: Tx, nameOrEmail: string): Promise<User | null> {
    return tx
      .createQueryBuilder(User, 'u')
      .addSelect('u.passwordHash')
      .where('lower(u.username) in (lower(:name), lower(:composed)) or u.email = :email', {
        name: nameOrEmail,
        composed: nameOrEmail.normalize('NFC'),
        email: nameOrEmail.toLowerCase(),
      })
      .orderBy('lower(u.username) in (lower(:name), lower(:composed))', 'DESC')
      .limit(1)
      .getOne();
  }

  /** Ids of users whose e-mail address contains `text`, or equals it if it is in double quotes. Ignores case. */
  async idsByEmail(tx: Tx, text: string): Promise<number[]> {
    const found: { id: number }[] = await tx.query('select id from app_user where email ilike $1', [likePattern(text)]);
    return found.map(({ id }) => id);
  }

  /** By e-mail address, ignoring case. */
  async findIdByEmail(tx: Tx, email: string): Promise<number | null> {
    const found = await tx.findOne(User, { select: { id: true }, where: { email: email.toLowerCase() } });
    return found && found.id;
  }

  /** Names of the users with these ids. Unknown ids are left out. */
  async namesOf(tx: Tx, ids: readonly number[]): Promise<Pick<User, 'id' | 'username' | 'email' | 'active'>[]> {
    return tx.find(User, { select: { id: true, username: true, email: true, active: true }, where: { id: In(ids) } });
  }

  /** By id, with the password hash. */
  async findWithHash(tx: Tx, id: number): Promise<User | null> {
    return tx.createQueryBuilder(User, 'u').addSelect('u.passwordHash').where('u.id = :id', { id }).getOne();
  }

  /** True while a user has a password hash that was imported from Lemur. */
  async hasBcrypt(tx: Tx): Promise<boolean> {
    const rows = await tx.query<unknown[]>(`select from app_user where password_hash like '$2%' limit 1`);
    return rows.length > 0;
  }

  /** Does nothing if the hash is no longer `from`. Sessions stay valid, since the password is the same. */
  async replaceHash(tx: Tx, id: number, { from, to }: { from: string; to: string }): Promise<void> {
    await tx.update(User, { id, passwordHash: from }, { passwordHash: to });
  }

  /** True if there is any user. */
  async exists(tx: Tx): Promise<boolean> {
    return tx.exists(User);
  }

  /** Returns the new id. Throws `conflict` if the name or the address is taken. */
  async add(tx: Tx, fields: UserFields): Promise<number> {
    const { identifiers } = await orConflict(tx.insert(User, fields), clashes);
    return (identifiers as [{ id: number }])[0].id;
  }

  /** Undefined members stay unchanged. Throws as `add` does. */
  async change(tx: Tx, id: number, fields: UserFields): Promise<void> {
    await orConflict(tx.update(User, id, { ...fields, updatedAt: () => 'now()' }), clashes);
  }

  /** Revokes every session token of the user. */
  async revokeTokens(tx: Tx, id: number): Promise<void> {
    await tx.increment(User, { id }, 'tokenEpoch', 1);
  }
}
