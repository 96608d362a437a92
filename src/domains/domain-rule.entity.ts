import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/**
 * Names that holders of a role may issue for. Without a role it speaks of everyone, without an authority of every
 * authority that is not private.
 */
@Entity('domain_rule')
export class DomainRule {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer', { nullable: true }) roleId: number | null;
  @Column('integer', { nullable: true }) authorityId: number | null;
  /** As pki/name-pattern.ts reads them. */
  @Column('text', { array: true }) patterns: string[];
  @Column('text', { nullable: true }) description: string | null;
  @Column('timestamptz') createdAt: Date;
}
