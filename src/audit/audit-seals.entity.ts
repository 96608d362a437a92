import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

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
