import { Injectable } from '@nestjs/common';
import { defaultNotifications } from '../../notifications/default-notifications.js';
import { NotificationRepository } from '../../notifications/notification.repository.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import type { Tx } from '../../platform/db/database.js';
import { Problem } from '../../platform/http/problem.js';
import type { Certificate } from '../certificate.entity.js';
import { nextWarningAt } from './due-warnings.js';
import { type Watched, WatchRepository } from './watch.repository.js';

/** Sees to it that no certificate that is watched loses its last warning: it gets its owner's default ones instead. */
@Injectable()
export class Coverage {
  constructor(
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly notifications: NotificationRepository,
    private readonly watches: WatchRepository,
  ) {}

  /**
   * Makes a change of these subscriptions or their channel. Certificates that nothing active warns about by mail any
   * more get the default notifications of their owners. Throws Problem `in-use` where those are switched off.
   */
  async keepWarned<T>(tx: Tx, subscriptionIds: readonly number[], change: () => Promise<T>): Promise<T> {
    const bound = await this.watches.boundTo(tx, subscriptionIds, this.clock.now());
    const changed = await change();
    const after = await this.watches.of(
      tx,
      bound.map(({ id }) => id),
    );
    const bare = after.filter((one) => one.watching && !isWarnedByMail(one));
    await this.cover(tx, bare);
    await this.plan(
      tx,
      bare.map(({ id }) => id),
    );
    return changed;
  }

  private async plan(tx: Tx, ids: readonly number[]): Promise<void> {
    const covered = await this.watches.of(tx, ids);
    await this.watches.planNext(
      tx,
      covered.map((one) => ({ id: one.id, at: nextWarningAt(one) })),
    );
  }

  /** Throws Problem `in-use` where the default notifications of an owner are switched off. */
  private async cover(tx: Tx, certificates: readonly { id: number; owner: string }[]): Promise<void> {
    const byOwner = new Map<string, number[]>();
    for (const { id, owner } of certificates) byOwner.set(owner, [...(byOwner.get(owner) ?? []), id]);
    for (const owner of [...byOwner.keys()].sort()) {
      const ids = byOwner.get(owner) ?? [];
      if (await this.tryToCover(tx, owner, ids)) continue;
      throw new Problem(
        'in-use',
        `Nothing else would warn ${owner} of the end of ${ids.length} certificates; ` +
          'give them another notification first, or switch their notify off.',
      );
    }
  }

  /** Covers a locked certificate that is watched and that nothing active warns about. Throws as `cover`. */
  async coverBare(tx: Tx, certificate: Certificate): Promise<void> {
    if (!certificate.watched) return;
    const [watch] = await this.watches.of(tx, [certificate.id], certificate.owner);
    if (watch && !isWarnedByMail(watch)) await this.cover(tx, [certificate]);
  }

  /**
   * The same, where those that nothing active warns about have got their owners' default notifications, unless those
   * are switched off.
   */
  async covered(tx: Tx, all: readonly Watched[]): Promise<Watched[]> {
    const bare = all.filter((one) => one.watching && !isWarnedByMail(one));
    for (const owner of [...new Set(bare.map((one) => one.owner))].sort())
      await this.tryToCover(
        tx,
        owner,
        bare.filter((one) => one.owner === owner).map(({ id }) => id),
      );
    const now = new Map(
      bare.length > 0
        ? (
            await this.watches.of(
              tx,
              bare.map(({ id }) => id),
            )
          ).map((one) => [one.id, one])
        : [],
    );
    return all.map((one) => now.get(one.id) ?? one);
  }

  /**
   * Covers certificates of this owner. False, and nothing has changed, when the owner has no default notifications or
   * those are switched off.
   */
  private async tryToCover(tx: Tx, owner: string, certificateIds: readonly number[]): Promise<boolean> {
    const leads = await this.notifications.ensure(tx, defaultNotifications(owner, this.config));
    const active = (
      await this.notifications.getMany(
        tx,
        leads.map(({ id }) => id),
      )
    ).filter((notification) => notification.active);
    if (active.length === 0) return false;
    await this.watches.link(
      tx,
      active.map(({ id }) => id),
      certificateIds,
    );
    return true;
  }
}

/** What goes to a machine alone does not count: somebody may have switched it off there. */
function isWarnedByMail({ leads }: Watched): boolean {
  return leads.some(({ mails }) => mails);
}
