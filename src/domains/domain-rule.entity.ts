import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/**
 * Names that holders of a role may issue for. Without a role the rule applies to everyone; without an authority it
 * applies to every authority that is not private.
 */
@Entity('domain_rule')
export class DomainRule {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer', { nullable: true }) roleId: number | null;
  @Column('integer', { nullable: true }) authorityId: number | null;
  /** In the syntax of pki/name-pattern.ts. */
  @Column('text', { array: true }) patterns: string[];
  @Column('text', { nullable: true }) description: string | null;
  @Column('timestamptz') createdAt: Date;
}
