import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { LastingProblem } from '../../notifications/subscription.schema.js';

/** Somebody takes care of an event of a certificate: its notices wait until `until`. */
@Entity('acknowledgement')
export class Acknowledgement {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer') certificateId: number;
  @Column('text') event: LastingProblem;
  @Column('timestamptz') until: Date;
  @Column('text') reason: string;
  @Column('integer', { nullable: true }) creatorId: number | null;
  @Column('timestamptz') createdAt: Date;
}
