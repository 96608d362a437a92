import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { countDependents, type Dependents } from '../platform/db/dependents.js';
import { truth, whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { type Reference, wordsOf } from '../platform/http/reference.js';
import { Profile, ProfileVersion } from './profile.entity.js';
import type { ProfileRules } from './profile-rules.schema.js';
import type { ProfileWithRules } from './profile.schema.js';

const columns = `p.id, p.name, p.description, p.active, p.built_in as "builtIn", p.version, v.rules,
  p.created_at as "createdAt"`;
const joined = 'profile p join profile_version v on v.profile_id = p.id and v.version = p.version';

const source: ListSource = {
  columns,
  from: joined,
  sorts: {
    id: { sql: 'p.id', type: 'int' },
    name: { sql: 'lower(p.name)', type: 'text' },
    active: { sql: 'p.active', type: 'boolean' },
  },
  filters: {
    id: whole('p.id'),
    name: words('p.name'),
    description: words('p.description'),
    active: truth('p.active'),
    builtIn: truth('p.built_in'),
  },
};

/** Every query on profiles and their versions. */
@Injectable()
export class ProfileRepository {
  list(tx: Tx, query: PageQuery): Promise<Page<ProfileWithRules>> {
    return listPage(tx, source, query);
  }

  /** By id or by name in any case, with the newest rules. */
  async find(tx: Tx, ref: Reference): Promise<ProfileWithRules | null> {
    const [found] = await tx.query<ProfileWithRules[]>(
      `select ${columns} from ${joined} where ${ref.id === undefined ? 'lower(p.name) = lower($1)' : 'p.id = $1'}`,
      [ref.id ?? wordsOf(ref)],
    );
    return found ?? null;
  }

  /**
   * The ids of these profiles, which stay until the transaction ends. Throws Problem `invalid-request` on `field` when
   * one does not exist.
   */
  async locate(tx: Tx, field: string, refs: readonly Reference[]): Promise<number[]> {
    const ids: number[] = [];
    for (const ref of refs) {
      const found = await this.find(tx, ref);
      const [kept] = found
        ? await tx.query<{ id: number }[]>('select id from profile where id = $1 for key share', [found.id])
        : [];
      if (!kept) throw invalid(field, `There is no profile ${wordsOf(ref)}.`);
      ids.push(kept.id);
    }
    return [...new Set(ids)];
  }

  /** The names of these profiles by their ids. */
  async namesOf(tx: Tx, ids: readonly number[]): Promise<Map<number, string>> {
    if (ids.length === 0) return new Map();
    const rows: { id: number; name: string }[] = await tx.query('select id, name from profile where id = any($1)', [
      ids,
    ]);
    return new Map(rows.map(({ id, name }) => [id, name]));
  }

  async get(tx: Tx, id: number): Promise<ProfileWithRules> {
    const found = await this.find(tx, { id });
    if (!found) throw new Problem('not-found', `There is no profile ${id}.`);
    return found;
  }

  /** As `get`, locked until the transaction ends. */
  async lock(tx: Tx, id: number): Promise<ProfileWithRules> {
    await tx.findOne(Profile, { where: { id }, lock: { mode: 'pessimistic_write' } });
    return this.get(tx, id);
  }

  /** All versions, newest first. */
  versions(tx: Tx, profileId: number): Promise<ProfileVersion[]> {
    return tx.find(ProfileVersion, { where: { profileId }, order: { version: 'DESC' } });
  }

  findVersion(tx: Tx, profileId: number, version: number): Promise<ProfileVersion | null> {
    return tx.findOneBy(ProfileVersion, { profileId, version });
  }

  /** Adds a profile with its first version. Null when `ifAbsent` and there is one of this name. */
  async add(
    tx: Tx,
    profile: Pick<Profile, 'name' | 'description' | 'active' | 'builtIn'>,
    { rules, author, ifAbsent = false }: { rules: ProfileRules; author: string | null; ifAbsent?: boolean },
  ): Promise<number | null> {
    const rows: { id: number }[] = await tx.query(
      `insert into profile (name, description, active, built_in, version) values ($1, $2, $3, $4, 1)
       ${ifAbsent ? 'on conflict (lower(name)) do nothing' : ''} returning id`,
      [profile.name, profile.description, profile.active, profile.builtIn],
    );
    const id = rows[0]?.id ?? null;
    if (id !== null) await this.addVersion(tx, { profileId: id, version: 1, rules, author });
    return id;
  }

  async save(tx: Tx, { id, name, description, active, version }: Profile): Promise<void> {
    await tx.query('update profile set name = $2, description = $3, active = $4, version = $5 where id = $1', [
      id,
      name,
      description,
      active,
      version,
    ]);
  }

  async addVersion(
    tx: Tx,
    { profileId, version, rules, author }: Pick<ProfileVersion, 'profileId' | 'version' | 'rules' | 'author'>,
  ): Promise<void> {
    await tx.query('insert into profile_version (profile_id, version, rules, author) values ($1, $2, $3, $4)', [
      profileId,
      version,
      JSON.stringify(rules),
      author,
    ]);
  }

  /** The authorities that issue by the profile, and the certificates that were issued by one of its versions. */
  async users(tx: Tx, id: number): Promise<Dependents[]> {
    return [
      await countDependents(
        tx,
        { kind: 'authority', name: 'id', where: '$1 = any(allowed_profile_ids || default_profile_id)' },
        id,
      ),
      await countDependents(tx, { kind: 'certificate', name: 'id', where: 'profile_id = $1' }, id),
    ];
  }

  async remove(tx: Tx, id: number): Promise<void> {
    await tx.query('delete from profile where id = $1', [id]);
  }
}
