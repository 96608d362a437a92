import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { NoticeEvent } from '../plugin-api/events.js';
import type { LeadUnit } from '../platform/plugins/lead-options.js';

/** Of which certificates a subscription hears: those listed with it, those of one owner or one authority, or all. */
export const subscriptionScopes = ['certificates', 'owner', 'authority', 'all'] as const;
export type SubscriptionScope = (typeof subscriptionScopes)[number];

/** Which events of which certificates go to which channel. `certificate_subscription` has the listed certificates. */
@Entity('subscription')
export class Subscription {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  /** Unique whatever its case, among those of the program and among those of people. */
  @Column('text') label: string;
  @Column('text', { nullable: true }) description: string | null;
  @Column('boolean') active: boolean;
  @Column('integer') channelId: number;
  @Column('text', { array: true }) events: NoticeEvent[];
  /** Seconds before notAfter at which it hears of the end of a certificate; empty when it does not hear of that. */
  @Column('integer', { array: true }) leadsS: number[];
  /** The unit in which people gave the leads. */
  @Column('text') leadUnit: LeadUnit;
  @Column('text') scope: SubscriptionScope;
  /** Lower case. */
  @Column('text', { nullable: true }) owner: string | null;
  @Column('integer', { nullable: true }) authorityId: number | null;
  /** True for those that the program made for owners who have none (default-notifications.ts). */
  @Column('boolean') builtIn: boolean;
  @Column('integer', { nullable: true }) creatorId: number | null;
  @Column('timestamptz') createdAt: Date;
}
