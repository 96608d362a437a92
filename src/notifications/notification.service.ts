import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Clock } from '../platform/clock.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import type { Page } from '../platform/http/page.js';
import { mayChangeNotification } from '../roles/permission.js';
import type { KeepWarned } from './channel.service.js';
import { NotificationForm } from './notification-form.js';
import { type Notification, NotificationRepository } from './notification.repository.js';
import type { NotificationQuery, NotificationRequest, NotificationView } from './notification.schema.js';
import { replanSubscription } from './notifications.jobs.js';

/** Changes the listed certificates of the subscription, and gives the members to add to the audit event. */
type ListChange = (tx: Tx, id: number) => Promise<object>;

/** Throws Problem `forbidden` unless the actor may change this notification. */
export function demandChange(actor: Actor, { label, creatorId }: Pick<Notification, 'label' | 'creatorId'>): void {
  if (!mayChangeNotification(actor, { creatorId }))
    throw new Problem('forbidden', `You are not authorized to change notification ${label}.`);
}

/** The use cases on notifications. */
@Injectable()
export class NotificationService {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly audit: Audit,
    private readonly form: NotificationForm,
    private readonly repository: NotificationRepository,
  ) {}

  async list(query: NotificationQuery): Promise<Page<NotificationView>> {
    const page = await this.repository.list(this.db.single, this.form.asStored(query));
    return { ...page, items: page.items.map((row) => this.form.view(row)) };
  }

  /** Skips unknown ids; in order of id. */
  async getMany(ids: readonly number[]): Promise<NotificationView[]> {
    return (await this.repository.getMany(this.db.single, ids)).map((row) => this.form.view(row));
  }

  async get(id: number): Promise<NotificationView> {
    return this.form.view(await this.repository.get(this.db.single, id));
  }

  /** `also` runs in the same transaction. */
  create(actor: Actor, request: NotificationRequest, also: ListChange): Promise<NotificationView> {
    const columns = this.form.columns(actor, request);
    return this.db.write(async (tx) => {
      const row = await this.repository.add(tx, {
        ...columns,
        creatorId: actor.userId || null,
        createdAt: this.clock.now(),
      });
      const more = await also(tx, row.id);
      await replanSubscription.enqueue(tx, { subscriptionId: row.id, after: 0 });
      const after = this.form.view(row);
      await this.audit.record(tx, actor, {
        action: 'notification.created',
        targetType: 'notification',
        targetId: row.id,
        after: { ...after, ...more },
      });
      return after;
    });
  }

  /** As `create`. Throws Problem `not-found`, `forbidden`, or as `keeping` does. */
  update(
    actor: Actor,
    id: number,
    request: NotificationRequest,
    { keeping, also }: { keeping: KeepWarned; also: ListChange },
  ): Promise<NotificationView> {
    return this.db.write(async (tx) => {
      const row = await this.repository.lock(tx, id);
      demandChange(actor, row);
      const before = this.form.view(row);
      const columns = this.form.columns(actor, request, row);
      const { changed, more } = await keeping(tx, [id], async () => ({
        changed: await this.repository.save(tx, row, columns),
        more: await also(tx, id),
      }));
      await replanSubscription.enqueue(tx, { subscriptionId: id, after: 0 });
      const after = this.form.view(changed);
      await this.audit.record(tx, actor, {
        action: 'notification.updated',
        targetType: 'notification',
        targetId: id,
        before,
        after: { ...after, ...more },
      });
      return after;
    });
  }

  /** Throws as `update`. */
  async remove(actor: Actor, id: number, keeping: KeepWarned): Promise<void> {
    await this.db.write(async (tx) => {
      const row = await this.repository.lock(tx, id);
      demandChange(actor, row);
      const before = this.form.view(row);
      await keeping(tx, [id], () => this.repository.remove(tx, row));
      await this.audit.record(tx, actor, {
        action: 'notification.deleted',
        targetType: 'notification',
        targetId: id,
        before,
      });
    });
  }
}
