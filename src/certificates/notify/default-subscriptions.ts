import { Injectable } from '@nestjs/common';
import { defaultNotifications } from '../../notifications/default-notifications.js';
import { NotificationRepository } from '../../notifications/notification.repository.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import type { Tx } from '../../platform/db/database.js';
import { Problem } from '../../platform/http/problem.js';
import type { Certificate } from '../certificate.entity.js';
import {
  CertificateSubscriptionRepository,
  type SubscribedCertificate,
} from './certificate-subscription.repository.js';
import { nextWarningAt } from './due-warnings.js';

/**
 * Makes sure that every watched certificate has a warning by mail before it expires. A certificate without one gets the
 * default subscriptions of its owner.
 */
@Injectable()
export class DefaultSubscriptions {
  constructor(
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly notifications: NotificationRepository,
    private readonly subscriptions: CertificateSubscriptionRepository,
  ) {}

  /**
   * Runs a change of these subscriptions or of their channel. Certificates that lose their last active warning by mail
   * get the default subscriptions of their owners. Throws Problem `in-use` when an owner has switched them off.
   */
  async keepWarned<T>(tx: Tx, subscriptionIds: readonly number[], change: () => Promise<T>): Promise<T> {
    const dependent = idsOf(await this.subscriptions.dependingOn(tx, subscriptionIds, this.clock.now()));
    const changed = await change();
    const unwarned = (await this.subscriptions.of(tx, dependent)).filter(lacksWarning);
    await this.add(tx, unwarned);
    const warned = await this.subscriptions.of(tx, idsOf(unwarned));
    await this.subscriptions.planNext(
      tx,
      warned.map((one) => ({ id: one.id, at: nextWarningAt(one) })),
    );
    return changed;
  }

  /**
   * Adds the default subscriptions to a locked certificate that is watched and has no active warning by mail. Throws as
   * `keepWarned`.
   */
  async ensureWarned(tx: Tx, certificate: Certificate): Promise<void> {
    if (!certificate.watched) return;
    const [stored] = await this.subscriptions.of(tx, [certificate.id]);
    if (stored && lacksWarning({ ...stored, watched: true })) await this.add(tx, [certificate]);
  }

  /**
   * Adds the default subscriptions where a warning by mail is missing, unless the owner has switched them off. Returns
   * all certificates in the same order, with their subscriptions after this change.
   */
  async addMissing(tx: Tx, all: readonly SubscribedCertificate[]): Promise<SubscribedCertificate[]> {
    const unwarned = all.filter(lacksWarning);
    if (unwarned.length === 0) return [...all];
    for (const [owner, ids] of idsByOwner(unwarned)) await this.tryToAdd(tx, owner, ids);
    const now = new Map((await this.subscriptions.of(tx, idsOf(unwarned))).map((one) => [one.id, one]));
    return all.map((one) => now.get(one.id) ?? one);
  }

  /** As `addMissing`, of the certificates with these ids, which it locks. */
  async addMissingOf(tx: Tx, certificateIds: readonly number[]): Promise<SubscribedCertificate[]> {
    return this.addMissing(tx, await this.subscriptions.of(tx, certificateIds));
  }

  private async add(tx: Tx, certificates: readonly { id: number; owner: string }[]): Promise<void> {
    for (const [owner, ids] of idsByOwner(certificates)) {
      if (await this.tryToAdd(tx, owner, ids)) continue;
      throw new Problem(
        'in-use',
        `${ids.length} certificates of ${owner} would have no warning before they expire: add another notification ` +
          'to them first, or switch off their `notify`.',
      );
    }
  }

  /** False, without a change, when the owner has no default subscriptions or has switched them off. */
  private async tryToAdd(tx: Tx, owner: string, certificateIds: readonly number[]): Promise<boolean> {
    const defaults = idsOf(await this.notifications.ensure(tx, defaultNotifications(owner, this.config)));
    const active = (await this.notifications.getMany(tx, defaults)).filter((notification) => notification.active);
    if (active.length === 0) return false;
    await this.subscriptions.hearDefaults(tx, certificateIds);
    return true;
  }
}

/** Only mail counts: a service that gets messages may be set to ignore them. */
function lacksWarning({ watched, leads }: SubscribedCertificate): boolean {
  return watched && !leads.some(({ mails }) => mails);
}

/** Sorted by owner, so that concurrent transactions lock in one order. */
function idsByOwner(certificates: readonly { id: number; owner: string }[]): [owner: string, ids: number[]][] {
  const ids = new Map<string, number[]>();
  for (const { id, owner } of certificates) ids.set(owner, [...(ids.get(owner) ?? []), id]);
  return [...ids].sort(([a], [b]) => (a < b ? -1 : 1));
}

function idsOf(rows: readonly { id: number }[]): number[] {
  return rows.map(({ id }) => id);
}
