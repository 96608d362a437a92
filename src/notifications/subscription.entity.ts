import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { NoticeEvent } from '../plugin-api/events.js';
import type { LeadUnit } from '../platform/plugins/lead-options.js';

/** The certificates of a subscription: the listed ones, all of one owner, of one authority, with one label, or all. */
export const subscriptionScopes = ['certificates', 'owner', 'authority', 'label', 'all'] as const;
export type SubscriptionScope = (typeof subscriptionScopes)[number];

/**
 * Which events of which certificates go to which channel. `certificate_subscription` has the listed certificates. A
 * default subscription hears only of certificates with `hears_defaults`, or that are listed.
 */
@Entity('subscription')
export class Subscription {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  /** Ignoring case, unique among built-in subscriptions and unique among all others. */
  @Column('text') label: string;
  @Column('text', { nullable: true }) description: string | null;
  @Column('boolean') active: boolean;
  @Column('integer') channelId: number;
  @Column('text', { array: true }) events: NoticeEvent[];
  /** Seconds before notAfter at which `certificate.expiring` is sent; empty without that event. */
  @Column('integer', { array: true }) leadsS: number[];
  /** The unit in which the request gave the leads. */
  @Column('text') leadUnit: LeadUnit;
  @Column('text') scope: SubscriptionScope;
  /** Lower case. */
  @Column('text', { nullable: true }) owner: string | null;
  @Column('integer', { nullable: true }) authorityId: number | null;
  /** Lower case. */
  @Column('text', { nullable: true }) certificateLabel: string | null;
  /** When nobody acts for so many days after a notice was sent, `escalateChannelId` is told; null for never. */
  @Column('integer', { nullable: true }) escalateAfterDays: number | null;
  @Column('integer', { nullable: true }) escalateChannelId: number | null;
  /** When the next weekly summary is due; null without that event. */
  @Column('timestamptz', { nullable: true }) nextSummaryAt: Date | null;
  /** True for default subscriptions, which the program makes (default-notifications.ts). */
  @Column('boolean') builtIn: boolean;
  @Column('integer', { nullable: true }) creatorId: number | null;
  @Column('timestamptz') createdAt: Date;
}
