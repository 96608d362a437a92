import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import type { KeyRef } from '../platform/keys/key-store.js';

/**
 * A CRL of an authority, signed by one of its keys: of all its certificates, or of one shard. Each key lists what all
 * keys have issued, which does no harm: serial numbers are unique below one name. The columns of the last list are null
 * until there is one.
 */
export interface Crl {
  id: number;
  authorityId: number;
  keyId: KeyRef;
  /** As of pki. */
  keyTag: string;
  /** Null: of all certificates. */
  shard: number | null;
  /** The distribution points that certificates of the shard name, earlier ones too. Empty for the list of all. */
  urls: string[];
  number: string | null;
  baseNumber: string | null;
  baseAt: Date | null;
  entries: number;
  thisUpdate: Date | null;
  nextUpdate: Date | null;
  /** When the next one is made. Null: never, because the CA has expired. */
  dueAt: Date | null;
  /** From then on there should have been a newer one. Null as `dueAt`. */
  overdueAt: Date | null;
  /** Why the last attempt to make one failed. */
  faultDetail: string | null;
}

/** A list that an authority should have. `urls` as of Crl. */
export interface Shard {
  keyId: KeyRef;
  keyTag: string;
  shard: number | null;
  urls: string[];
}

/** A list to store in place of the one that was read. */
export interface NewList {
  number: bigint;
  baseNumber: bigint;
  baseAt: Date;
  entries: number;
  thisUpdate: Date;
  nextUpdate: Date;
  dueAt: Date;
  overdueAt: Date;
  der: Buffer;
  deltaDer: Buffer | null;
}

/** What has to be known of a list to have it made anew; of the last one that was made. */
export type KnownList = Pick<Crl, 'id' | 'authorityId' | 'entries' | 'thisUpdate'>;

/** What is overdue of an authority. `nextUpdate`: the first end of a list that was made; null when none was. */
export interface OverdueLists {
  authorityId: number;
  owner: string;
  lists: number;
  nextUpdate: Date | null;
  faultDetail: string | null;
}

/** What a reader of a published list needs first. */
export interface Published {
  id: number;
  number: string;
  thisUpdate: Date;
  nextUpdate: Date;
  length: number;
}

const columns = `id, authority_id as "authorityId", key_id as "keyId", key_tag as "keyTag", shard, urls, number,
  base_number as "baseNumber", base_at as "baseAt", entries, this_update as "thisUpdate", next_update as "nextUpdate",
  due_at as "dueAt", overdue_at as "overdueAt", fault_detail as "faultDetail"`;

/** Of each part but the last; the migration that made the parts has it too. */
const partOctets = 1024 * 1024;

/** Every query on CRLs. */
@Injectable()
export class CrlRepository {
  async find(tx: Tx, id: number): Promise<Crl | null> {
    const [found] = await tx.query<Crl[]>(`select ${columns} from crl where id = $1`, [id]);
    return found ?? null;
  }

  /** The newest key first, and of each key the list of all certificates first. */
  of(tx: Tx, authorityId: number): Promise<Crl[]> {
    return tx.query(`select ${columns} from crl where authority_id = $1 order by key_id desc, shard nulls first`, [
      authorityId,
    ]);
  }

  /**
   * Adds the lists that are missing: that of all, and the shards from 0 on, whose distribution points `urls` gives. A
   * list that is there stays, since certificates name it, and learns the new URL. One that was not due is due at
   * `dueAt`, in case its first job is lost.
   */
  async ensure(tx: Tx, authorityId: number, shards: readonly Shard[], dueAt: Date): Promise<void> {
    const rows = shards.map(({ keyId, keyTag, shard, urls }) => ({
      key_id: keyId,
      key_tag: keyTag,
      shard: shard ?? -1,
      urls,
    }));
    // A revocation that does not see the new lists yet is stored before.
    await tx.query('select from authority where id = $1 for no key update', [authorityId]);
    await tx.query(
      `insert into crl as c (authority_id, key_id, key_tag, shard, urls, due_at, overdue_at)
       select $1, new.key_id, new.key_tag, nullif(new.shard, -1), new.urls, $3, $3
       from jsonb_to_recordset($2::jsonb) as new(key_id int, key_tag text, shard int, urls text[])
       on conflict (authority_id, key_id, coalesce(shard, -1)) do update
         set urls = c.urls || array(select u from unnest(excluded.urls) u where u <> all(c.urls)),
           due_at = coalesce(c.due_at, excluded.due_at), overdue_at = coalesce(c.overdue_at, excluded.overdue_at)
         where c.due_at is null or not c.urls @> excluded.urls`,
      [authorityId, JSON.stringify(rows), dueAt],
    );
  }

  /** The lists that hold a certificate: that of all, and the shard that its revocation was given. */
  async holding(tx: Tx, authorityId: number, serialHex: string): Promise<KnownList[]> {
    return tx.query(
      `select id, authority_id as "authorityId", entries, this_update as "thisUpdate" from crl
       where authority_id = $1 and (shard is null or shard =
         (select shard from revoked_certificate where authority_id = $1 and serial_hex = $2))`,
      [authorityId, serialHex],
    );
  }

  /** Stores a list unless another process has stored one since `seen`; false then. Call it in a transaction. */
  async save(tx: Tx, { id, number: seen }: Pick<Crl, 'id' | 'number'>, list: NewList): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      'select from crl where id = $1 and number is not distinct from $2::numeric for update',
      [id, seen],
    );
    if (rows.length === 0) return false;
    await tx.query('delete from crl_part where crl_id = $1', [id]);
    await addParts(tx, id, false, list.der);
    if (list.deltaDer) await addParts(tx, id, true, list.deltaDer);
    const { baseAt, entries, thisUpdate, nextUpdate, dueAt, overdueAt, der, deltaDer } = list;
    await tx.query(
      `update crl set number = $2, base_number = $3, base_at = $4, entries = $5, this_update = $6, next_update = $7,
         due_at = $8, overdue_at = $9, octets = $10, delta_octets = $11, fault_detail = null where id = $1`,
      [
        id,
        String(list.number),
        String(list.baseNumber),
        baseAt,
        entries,
        thisUpdate,
        nextUpdate,
        dueAt,
        overdueAt,
        der.length,
        deltaDer?.length ?? null,
      ],
    );
    return true;
  }

  async setFault(tx: Tx, id: number, detail: string): Promise<void> {
    await tx.query('update crl set fault_detail = $2 where id = $1', [id, detail]);
  }

  /** No list is made any more. */
  async end(tx: Tx, id: number): Promise<void> {
    await tx.query('update crl set due_at = null, overdue_at = null, fault_detail = null where id = $1', [id]);
  }

  /** At most 200 lists that are due. They are due again at `again`, in case their job is lost. */
  async takeDue(tx: Tx, now: Date, again: Date): Promise<KnownList[]> {
    const [rows]: [KnownList[], number] = await tx.query(
      `update crl set due_at = $2 where id in (
         select id from crl where due_at <= $1 order by due_at limit 200 for update skip locked)
       returning id, authority_id as "authorityId", entries, this_update as "thisUpdate"`,
      [now, again],
    );
    return rows;
  }

  /** The authorities with a key here that have no list yet. */
  async withoutList(tx: Tx, now: Date): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      `select a.id from authority a where a.key_id is not null and a.not_after > $1
         and not exists (select from crl where authority_id = a.id) order by a.id limit 200`,
      [now],
    );
    return rows.map(({ id }) => id);
  }

  /** The authorities with overdue lists, or only this one. */
  overdue(tx: Tx, now: Date, authorityId: number | null = null): Promise<OverdueLists[]> {
    return tx.query(
      `select a.id as "authorityId", a.owner, count(*)::int as lists, min(c.next_update) as "nextUpdate",
         min(c.fault_detail) as "faultDetail"
       from crl c join authority a on a.id = c.authority_id
       where c.overdue_at < $1 and ($2::int is null or a.id = $2) group by a.id, a.owner order by a.id`,
      [now, authorityId],
    );
  }

  /** How many lists there are, and how many of them are overdue. */
  async counts(tx: Tx, now: Date): Promise<{ lists: number; overdue: number }> {
    const [counts] = await tx.query<[{ lists: number; overdue: number }]>(
      'select count(*)::int as lists, count(*) filter (where overdue_at < $1)::int as overdue from crl',
      [now],
    );
    return counts;
  }

  /**
   * The published list of an authority whose key is here, of its present key when neither `keyTag` nor `keyId` names
   * one. Null when there is none (yet).
   */
  async findPublished(
    tx: Tx,
    publicId: string,
    { keyTag, keyId, shard, delta }: { keyTag: string | null; keyId?: KeyRef; shard: number | null; delta: boolean },
  ): Promise<Published | null> {
    const octets = delta ? 'c.delta_octets' : 'c.octets';
    const [found] = await tx.query<Published[]>(
      `select c.id, c.number, c.this_update as "thisUpdate", c.next_update as "nextUpdate",
         ${octets} as length
       from crl c join authority a on a.id = c.authority_id
       where a.public_id = $1 and a.key_id is not null and c.shard is not distinct from $2 and ${octets} is not null
         and case when $3::text is null then c.key_id = coalesce($4::int, a.key_id) else c.key_tag = $3 end`,
      [publicId, shard, keyTag, keyId ?? null],
    );
    return found ?? null;
  }

  /**
   * The octets of that list, part by part, so that none holds up the event loop; null when another one has taken its
   * place meanwhile.
   */
  async read(tx: Tx, { id, number, length }: Published, delta: boolean): Promise<Buffer | null> {
    const whole = Buffer.allocUnsafe(length);
    for (let from = 0; from < length; from += partOctets) {
      const [row] = await tx.query<{ der: Buffer }[]>(
        `select p.der from crl_part p join crl c on c.id = p.crl_id
         where p.crl_id = $1 and c.number = $2 and p.delta = $3 and p.part = $4`,
        [id, number, delta, from / partOctets],
      );
      if (!row) return null;
      row.der.copy(whole, from);
    }
    return whole;
  }
}

async function addParts(tx: Tx, id: number, delta: boolean, der: Buffer): Promise<void> {
  for (let from = 0; from < der.length; from += partOctets)
    await tx.query('insert into crl_part (crl_id, delta, part, der) values ($1, $2, $3, $4)', [
      id,
      delta,
      from / partOctets,
      der.subarray(from, from + partOctets),
    ]);
}
