import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * The links of a batch of events in the hash chain, in order. Append-only, like events. Numbers are decimal text. See
 * audit-seals.ts.
 */
@Entity('audit_seal')
@Index('audit_seal_id_range', { synchronize: false })
@Check('audit_seal_first_seq', 'first_seq > 0')
@Check(
  'audit_seal_whole',
  `cardinality(event_ids) > 0
  and cardinality(event_ids) = cardinality(hashes) and cardinality(prev_hashes) = cardinality(hashes)`,
)
export class AuditSeal {
  /** The place of the first event in the chain, from 1 without gaps. */
  @PrimaryColumn('bigint') firstSeq: string;
  @Column('bigint', { array: true }) eventIds: string[];
  /** The hash of the event before each event; 32 zero bytes before the first one. */
  @Column('bytea', { array: true }) prevHashes: Buffer[];
  /** HMAC over `prevHash` and the canonical form of the event (see chain.ts); SHA-256 when `keyId` is null. */
  @Column('bytea', { array: true }) hashes: Buffer[];
  /** The key that sealed the events (see audit-keys.ts); null in seals of versions without keys. */
  @Column('text', { nullable: true }) keyId: string | null;
  /** The highest id in this and earlier seals. */
  @Column('bigint') topId: string;
  @Column('int8range') idRange: string;
}

/** Ids below the highest sealed one that no event had yet: their transactions may still be open. */
@Entity('audit_gap')
@Check('audit_gap_order', 'first_id <= last_id')
export class AuditGap {
  @PrimaryColumn('bigint') firstId: string;
  @Column('bigint') lastId: string;
  @Column('timestamptz', { default: () => 'now()' }) since: Date;
}

/** The newest sealed audit event, in one row; see audit-head.ts. */
@Entity('audit_head')
@Check('audit_head_is_only_check', 'is_only')
@Check('audit_head_seq_check', 'seq >= 0')
@Check('audit_head_hash_check', 'octet_length(hash) = 32')
@Check('audit_head_keyed_from_check', 'keyed_from > 0')
@Check('audit_head_mac_check', 'octet_length(mac) = 32')
export class StoredAuditHead {
  @PrimaryColumn('boolean', { default: true }) isOnly: boolean;
  /** Decimal text, like `keyedFrom`. */
  @Column('bigint') seq: string;
  @Column('bytea') hash: Buffer;
  @Column('bigint') keyedFrom: string;
  /** The id of the ring key that the key of `mac` is derived from. */
  @Column('text') keyId: string;
  @Column('bytea') mac: Buffer;
}

/** The last anchor that a target outside the database received. */
@Entity('audit_anchor')
export class SentAuditAnchor {
  /** `log`, `file` or `webhook`. */
  @PrimaryColumn('text') target: string;
  /** Decimal text. */
  @Column('bigint') seq: string;
  @Column('bytea') hash: Buffer;
  @Column('timestamptz') sentAt: Date;
}
