import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import type { Tx } from '../platform/db/database.js';
import { likePattern } from '../platform/db/list-filter.js';
import { orConflict } from './or-conflict.js';
import { User } from './user.entity.js';

/** What may be written of a user. */
export type UserFields = Partial<Pick<User, 'username' | 'email' | 'active' | 'passwordHash'>>;

const clashes: Readonly<Record<string, string>> = {
  app_user_username_unique: 'There is already a user with this name.',
  app_user_email_unique: 'There is already a user with this e-mail address.',
};

/** Every query on `app_user` alone. */
@Injectable()
export class UserRepository {
  /** By user name, else by e-mail address, whatever the case; with its password hash. */
  async findForSignIn(tx: Tx, nameOrEmail: string): Promise<User | null> {
    return tx
      .createQueryBuilder(User, 'u')
      .addSelect('u.passwordHash')
      .where('lower(u.username) = lower(:name) or u.email = :email', {
        name: nameOrEmail,
        email: nameOrEmail.toLowerCase(),
      })
      .orderBy('lower(u.username) = lower(:name)', 'DESC')
      .limit(1)
      .getOne();
  }

  /** The ids of the users whose e-mail address holds the text, or is it when it is in double quotes; in any case. */
  async idsByEmail(tx: Tx, text: string): Promise<number[]> {
    const found: { id: number }[] = await tx.query('select id from app_user where email ilike $1', [likePattern(text)]);
    return found.map(({ id }) => id);
  }

  /** The id of the user with this e-mail address, in any case; null when there is none. */
  async findIdByEmail(tx: Tx, email: string): Promise<number | null> {
    const found = await tx.findOne(User, { select: { id: true }, where: { email: email.toLowerCase() } });
    return found && found.id;
  }

  /** Those of these ids that exist. */
  async namesOf(tx: Tx, ids: readonly number[]): Promise<Pick<User, 'id' | 'username' | 'email' | 'active'>[]> {
    return tx.find(User, { select: { id: true, username: true, email: true, active: true }, where: { id: In(ids) } });
  }

  /** With its password hash. */
  async findWithHash(tx: Tx, id: number): Promise<User | null> {
    return tx.createQueryBuilder(User, 'u').addSelect('u.passwordHash').where('u.id = :id', { id }).getOne();
  }

  /** True while someone has a password hash that was carried over from Lemur. */
  async hasBcrypt(tx: Tx): Promise<boolean> {
    const rows = await tx.query<unknown[]>(`select from app_user where password_hash like '$2%' limit 1`);
    return rows.length > 0;
  }

  /** Unless it has changed meanwhile. Sessions go on: the password is the same. */
  async replaceHash(tx: Tx, id: number, { from, to }: { from: string; to: string }): Promise<void> {
    await tx.update(User, { id, passwordHash: from }, { passwordHash: to });
  }

  async exists(tx: Tx): Promise<boolean> {
    return tx.exists(User);
  }

  /** Returns the new id. Throws `conflict` when the name or the address is taken. */
  async add(tx: Tx, fields: UserFields): Promise<number> {
    const { identifiers } = await orConflict(tx.insert(User, fields), clashes);
    return (identifiers as [{ id: number }])[0].id;
  }

  /** Writes what is given and leaves the rest. Throws as `add` does. */
  async change(tx: Tx, id: number, fields: UserFields): Promise<void> {
    await orConflict(tx.update(User, id, { ...fields, updatedAt: () => 'now()' }), clashes);
  }

  /** Makes every token that was issued to the user so far invalid. */
  async revokeTokens(tx: Tx, id: number): Promise<void> {
    await tx.increment(User, { id }, 'tokenEpoch', 1);
  }
}
