import { Column, Entity, PrimaryColumn } from 'typeorm';

/** Which certificates join a destination without being attached to it. At least one of four members selects. */
@Entity('destination_filter')
export class DestinationFilter {
  @PrimaryColumn('integer') destinationId: number;
  /** Lower case. */
  @Column('text', { nullable: true }) owner: string | null;
  @Column('integer', { nullable: true }) authorityId: number | null;
  /** A pattern for `like`, in lower case; see `likeOf`. */
  @Column('text', { nullable: true }) nameLike: string | null;
  /** Lower case. */
  @Column('text', { nullable: true }) label: string | null;
  /** Whether certificates that no authority here has issued join too. */
  @Column('boolean') imported: boolean;
  /** With whose rights certificates join: who set the filter; null when this account is deleted: then none joins. */
  @Column('integer', { nullable: true }) askerId: number | null;
  /** The API key by which it was set; null for a session. */
  @Column('integer', { nullable: true }) apiKeyId: number | null;
  @Column('timestamptz') setAt: Date;
}

/** The pattern for `like` of a pattern in which `*` stands for any characters. */
export function likeOf(namePattern: string): string {
  return namePattern.toLowerCase().replaceAll('_', '\\_').replaceAll('*', '%');
}

/** Undoes `likeOf`. */
export function namePatternOf(like: string): string {
  return like.replaceAll('%', '*').replaceAll('\\_', '_');
}
