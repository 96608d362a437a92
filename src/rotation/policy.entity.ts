import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { RenewalRule } from './due.js';
import type { Maintenance } from './maintenance.js';

/** When the certificates of this policy renew. The policy `default` always exists. */
@Entity('rotation_policy')
export class RotationPolicy implements RenewalRule {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('text') name: string;
  @Column('text', { nullable: true }) description: string | null;
  @Column('integer', { nullable: true }) days: number | null;
  @Column('double precision', { nullable: true }) lifetimeFraction: number | null;
  @Column('double precision', { nullable: true }) spreadHours: number | null;
  @Column('double precision', { nullable: true }) emergencyFraction: number | null;
  @Column('jsonb', { nullable: true }) maintenance: Maintenance | null;
  @Column('timestamptz') createdAt: Date;
}

export const defaultPolicyName = 'default';
