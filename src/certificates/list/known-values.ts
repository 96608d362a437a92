import type { Tx } from '../../platform/db/database.js';
import { likePattern } from '../../platform/db/list-filter.js';
import type { Lane, Selection } from './selection.js';

/**
 * The different values that a column of many rows has, found by leaping from one to the next along its index: searching
 * in them costs what there are of them, not what there are of certificates.
 */
export class Known {
  constructor(private readonly tx: Tx) {}

  /** Issuers that hold the text, and authorities whose name does. */
  async issuers(text: string, selection: Selection): Promise<Lane[]> {
    const issuers = await this.along('issuer', selection, likePattern(text));
    const authorities = await this.tx.query<{ id: number }[]>('select id from authority where name ilike $1', [
      likePattern(text),
    ]);
    return [
      { column: 'c.issuer', values: issuers },
      { column: 'c.authority_id', values: authorities.map(({ id }) => id) },
    ];
  }

  async owners(text: string, selection: Selection): Promise<Lane[]> {
    return [{ column: 'lower(c.owner)', values: await this.along('lower(owner)', selection, likePattern(text)) }];
  }

  /** The user of this id, name or mail address. */
  async creators(text: string): Promise<Lane[]> {
    const users = await this.tx.query<{ id: number }[]>(
      'select id from app_user where id::text = $1 or lower(username) = lower($1) or email = lower($1)',
      [text],
    );
    return [{ column: 'c.creator_id', values: users.map(({ id }) => id) }];
  }

  /** Key types or signing algorithms that hold the text. */
  async kinds(text: string, column: 'key_type' | 'signing_algorithm'): Promise<string[]> {
    const key = 'issuer, key_type, bits, signing_algorithm';
    const next = (behind: string): string => `(select ${key} from certificate ${behind} order by ${key} limit 1)`;
    const rows = await this.tx.query<{ value: string }[]>(
      `with recursive kind as (
         ${next('where signing_algorithm is not null')} union all
         select n.* from kind k cross join lateral
           ${next(`where signing_algorithm is not null and (${key}) > (k.issuer, k.key_type, k.bits, k.signing_algorithm)`)} as n)
       select distinct ${column} as value from kind where ${column} ilike $1`,
      [likePattern(text)],
    );
    return rows.map(({ value }) => value);
  }

  private async along(column: string, { shelves }: Selection, pattern: string): Promise<string[]> {
    const found = new Set<string>();
    for (const shelf of shelves) {
      const next = (behind: string): string =>
        `(select ${column} from certificate c where ${shelf} ${behind} order by ${column} limit 1)`;
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
