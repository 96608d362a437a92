import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Clock } from '../platform/clock.js';
import { Database, type Tx } from '../platform/db/database.js';
import { dependentsOf, refuseInUse } from '../platform/db/dependents.js';
import type { Actor } from '../platform/http/actor.js';
import type { Page } from '../platform/http/page.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { mayChangeNotification } from '../roles/permission.js';
import type { NoticeEvent } from '../plugin-api/events.js';
import { unheardOf } from '../plugin-api/notification.js';
import type { Channel } from './channel.entity.js';
import { ChannelRepository } from './channel.repository.js';
import { type ChannelQuery, type ChannelRequest, type ChannelView, channelView } from './channel.schema.js';
import { replanSubscription } from './notifications.jobs.js';
import { Recipients } from './recipients.js';

/** Runs a change of these subscriptions so that no certificate loses its last warning. */
export type KeepWarned = <T>(tx: Tx, subscriptionIds: readonly number[], change: () => Promise<T>) => Promise<T>;

/** The use cases on channels. */
@Injectable()
export class ChannelService {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly audit: Audit,
    private readonly configured: ConfiguredPlugins,
    private readonly recipients: Recipients,
    private readonly repository: ChannelRepository,
  ) {}

  async list(query: ChannelQuery): Promise<Page<ChannelView>> {
    const page = await this.repository.list(this.db.single, this.configured.asStored('notification', query));
    return { ...page, items: page.items.map((row) => this.view(row)) };
  }

  async get(id: number): Promise<ChannelView> {
    return this.view(await this.repository.get(this.db.single, id));
  }

  create(actor: Actor, request: ChannelRequest): Promise<ChannelView> {
    const columns = this.columns(actor, request);
    return this.db.write(async (tx) => {
      await this.demandTimeZones(tx, request);
      const row = await this.repository.save(tx, {
        ...columns,
        origin: 'person',
        creatorId: actor.userId || null,
        createdAt: this.clock.now(),
      });
      const after = this.view(row);
      await this.audit.record(tx, actor, {
        action: 'channel.created',
        targetType: 'channel',
        targetId: row.id,
        after,
      });
      return after;
    });
  }

  /** Throws Problem `not-found` or `forbidden`. */
  update(actor: Actor, id: number, request: ChannelRequest, keeping: KeepWarned): Promise<ChannelView> {
    return this.db.write(async (tx) => {
      const row = await this.repository.lock(tx, id);
      this.demandChange(actor, row);
      const before = this.view(row);
      await this.demandTimeZones(tx, request);
      const columns = this.columns(actor, request, row);
      this.demandHeard(columns.pluginId, await this.repository.eventsOf(tx, id));
      const subscriptionIds = await this.repository.subscriptionsOf(tx, id);
      await keeping(tx, subscriptionIds, () => this.repository.save(tx, Object.assign(row, columns)));
      for (const subscriptionId of subscriptionIds) await replanSubscription.enqueue(tx, { subscriptionId, after: 0 });
      const after = this.view(row);
      await this.audit.record(tx, actor, {
        action: 'channel.updated',
        targetType: 'channel',
        targetId: id,
        before,
        after,
      });
      return after;
    });
  }

  /** Throws Problem `in-use` while a subscription uses the channel. */
  async remove(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      const row = await this.repository.lock(tx, id);
      this.demandChange(actor, row);
      const advice = 'Delete its subscriptions first, or give them another channel.';
      refuseInUse(await dependentsOf(tx, 'channel', id), `Channel ${row.label}`, advice);
      const before = this.view(row);
      await this.repository.remove(tx, row);
      await this.audit.record(tx, actor, {
        action: 'channel.deleted',
        targetType: 'channel',
        targetId: id,
        before,
      });
    });
  }

  /** Throws Problem `forbidden` unless the actor may change the channel. */
  demandChange(actor: Actor, { label, creatorId }: Pick<Channel, 'label' | 'creatorId'>): void {
    if (!mayChangeNotification(actor, { creatorId }))
      throw new Problem('forbidden', `You are not authorized to change channel ${label}.`);
  }

  /** A plugin that does not support an event would send nothing of it, and count it as sent. */
  private demandHeard(pluginId: string, events: readonly NoticeEvent[]): void {
    const unheard = unheardOf(this.configured.plugin('notification', pluginId), events);
    if (unheard) throw invalid('plugin', `${pluginId} does not support ${unheard}, of which a subscription hears.`);
  }

  private view(row: Channel): ChannelView {
    return channelView(row, this.configured.view('notification', row));
  }

  private async demandTimeZones(tx: Tx, { quietHours, digest }: ChannelRequest): Promise<void> {
    if (quietHours) await this.repository.demandTimeZone(tx, quietHours.timeZone, 'quietHours.timeZone');
    if (digest) await this.repository.demandTimeZone(tx, digest.timeZone, 'digest.timeZone');
  }

  private columns(
    actor: Actor,
    request: ChannelRequest,
    before?: Channel,
  ): Omit<Channel, 'id' | 'origin' | 'creatorId' | 'createdAt'> {
    const { label, description, active, quietHours = null, digest = null, layout = null } = request;
    const plugin = this.configured.chosen('notification', request.plugin);
    const stored = this.configured.seal(plugin, request.plugin, 'channel', before);
    const recipients = this.recipients.of(stored);
    this.recipients.demandAllowed(actor, recipients, before?.recipients ?? []);
    if (before?.origin === 'program' && label !== before.label)
      throw invalid('label', `${before.label} is a channel of the program: its label cannot change.`);
    if (digest && plugin.hears !== 'all')
      throw invalid('digest', `The plugin ${plugin.id} does not support messages about several events.`);
    return { label, description: description ?? null, active, ...stored, recipients, layout, quietHours, digest };
  }
}
