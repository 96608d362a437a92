import type { Tx } from '../../platform/db/database.js';
import { likePattern } from '../../platform/db/list-filter.js';
import type { ValueSet, Selection } from './selection.js';

/**
 * Looks up the stored values that contain the text of a filter: issuers, owners, creators, key types. A loose index
 * scan reads the distinct values of a column: its cost depends on their number, not on the number of certificates.
 */
export class KnownValues {
  constructor(private readonly tx: Tx) {}

  /** Issuers and authorities whose name contains the text. */
  async issuers(text: string, selection: Selection): Promise<ValueSet[]> {
    const issuers = await this.distinct('issuer', selection, likePattern(text));
    const authorities = await this.tx.query<{ id: number }[]>('select id from authority where name ilike $1', [
      likePattern(text),
    ]);
    return [
      { column: 'c.issuer', values: issuers },
      { column: 'c.authority_id', values: authorities.map(({ id }) => id) },
    ];
  }

  /** Owners whose name contains the text. */
  async owners(text: string, selection: Selection): Promise<ValueSet[]> {
    return [{ column: 'lower(c.owner)', values: await this.distinct('lower(owner)', selection, likePattern(text)) }];
  }

  /** The user with this id, name or e-mail address. */
  async creators(text: string): Promise<ValueSet[]> {
    const users = await this.tx.query<{ id: number }[]>(
      'select id from app_user where id::text = $1 or lower(username) = lower($1) or email = lower($1)',
      [text],
    );
    return [{ column: 'c.creator_id', values: users.map(({ id }) => id) }];
  }

  /** The authority with this id or name. */
  async authority(text: string): Promise<ValueSet[]> {
    return [{ column: 'c.authority_id', values: await this.named('authority', text) }];
  }

  /** The profile with this id or name. */
  async profile(text: string): Promise<ValueSet[]> {
    return [{ column: 'c.profile_id', values: await this.named('profile', text) }];
  }

  /** Key types or signing algorithms that contain the text. */
  async kinds(text: string, column: 'key_type' | 'signing_algorithm'): Promise<string[]> {
    const key = 'issuer, key_type, bits, signing_algorithm';
    const next = (where: string): string => `(select ${key} from certificate ${where} order by ${key} limit 1)`;
    const behindKind = `where signing_algorithm is not null
      and (${key}) > (k.issuer, k.key_type, k.bits, k.signing_algorithm)`;
    const rows = await this.tx.query<{ value: string }[]>(
      `with recursive kind as (
         ${next('where signing_algorithm is not null')} union all
         select n.* from kind k cross join lateral ${next(behindKind)} as n)
       select distinct ${column} as value from kind where ${column} ilike $1`,
      [likePattern(text)],
    );
    return rows.map(({ value }) => value);
  }

  /** A default subscription: its owner, null for all owners, and the certificates that are listed with it. */
  async defaultSubscription(id: number): Promise<{ owner: string | null; listedIds: number[] } | undefined> {
    const [found] = await this.tx.query<{ owner: string | null; listedIds: number[] }[]>(
      `select owner, array(select certificate_id from certificate_subscription where subscription_id = s.id)
         as "listedIds" from subscription s where id = $1 and built_in`,
      [id],
    );
    return found;
  }

  private async named(table: 'authority' | 'profile', text: string): Promise<number[]> {
    const rows = await this.tx.query<{ id: number }[]>(
      `select id from ${table} where id::text = $1 or lower(name) = lower($1)`,
      [text],
    );
    return rows.map(({ id }) => id);
  }

  private async distinct(column: string, { partitions }: Selection, pattern: string): Promise<string[]> {
    const found = new Set<string>();
    for (const partition of partitions) {
      const next = (behind: string): string =>
        `(select ${column} from certificate c where ${partition} ${behind} order by ${column} limit 1)`;
      const rows = await this.tx.query<{ value: string }[]>(
        `with recursive known(value) as (
           ${next('')} union all
           select ${next(`and ${column} > known.value`)} from known where known.value is not null)
         select value from known where value ilike $1`,
        [pattern],
      );
      for (const { value } of rows) found.add(value);
    }
    return [...found];
  }
}
