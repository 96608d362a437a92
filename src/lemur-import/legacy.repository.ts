import type { Tx } from '../platform/db/database.js';

/** Kinds of remembered rows, with their table here. */
const tables = {
  user: 'app_user',
  role: 'role',
  policy: 'rotation_policy',
  notification: 'subscription',
  destination: 'destination',
  authority: 'authority',
  certificate: 'certificate',
  apikey: 'api_key',
  source: 'source',
  replacement: 'certificate',
} as const;
export type LegacyKind = keyof typeof tables;

/** `id`: the row here; null when there is none any more. `digest` shows whether the row in Lemur has changed. */
export interface LegacyRow {
  legacyId: number;
  id: number | null;
  digest: string;
}

/** Every query on `legacy_row`, which maps imported rows of Lemur to rows here. */
export class LegacyRepository {
  /** By Lemur id; all rows, or these. */
  async known(tx: Tx, kind: LegacyKind, legacyIds: readonly number[] | null = null): Promise<Map<number, LegacyRow>> {
    const rows = await tx.query<LegacyRow[]>(
      `select l.legacy_id as "legacyId", t.id, l.digest from legacy_row l left join ${tables[kind]} t on t.id = l.id
       where l.kind = $1 and ($2::int[] is null or l.legacy_id = any($2))`,
      [kind, legacyIds],
    );
    return new Map(rows.map((row) => [row.legacyId, row]));
  }

  /** Maps Lemur ids to ids here; leaves out rows that were removed here. */
  async ids(tx: Tx, kind: LegacyKind, legacyIds: readonly number[] | null = null): Promise<Map<number, number>> {
    const rows = await this.known(tx, kind, legacyIds);
    return new Map([...rows.values()].flatMap(({ legacyId, id }) => (id === null ? [] : [[legacyId, id] as const])));
  }

  async remember(tx: Tx, kind: LegacyKind, rows: readonly LegacyRow[]): Promise<void> {
    await tx.query(
      `insert into legacy_row (kind, legacy_id, id, digest) select $1, l."legacyId", l.id, l.digest
       from jsonb_to_recordset($2::jsonb) as l("legacyId" int, id int, digest text)
       on conflict (kind, legacy_id) do update set id = excluded.id, digest = excluded.digest, imported_at = now()`,
      [kind, JSON.stringify(rows)],
    );
  }
}
