import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { AuthorityRepository } from '../../authorities/authority.repository.js';
import { ChannelRepository } from '../../notifications/channel.repository.js';
import { isDefaultLabel } from '../../notifications/default-notifications.js';
import { replanSubscription } from '../../notifications/notifications.jobs.js';
import type { Subscription } from '../../notifications/subscription.entity.js';
import { SubscriptionRepository } from '../../notifications/subscription.repository.js';
import {
  isLastingProblem,
  leadsOf,
  type SubscriptionRequest,
  type SubscriptionView,
} from '../../notifications/subscription.schema.js';
import { nextSummaryAt } from '../../notifications/weekly.js';
import type { NoticeEvent } from '../../plugin-api/events.js';
import { unheardOf } from '../../plugin-api/notification.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { invalid, Problem } from '../../platform/http/problem.js';
import { wordsOf } from '../../platform/http/reference.js';
import { PluginRegistry } from '../../platform/plugins/registry.js';
import { mayChangeNotification, mayVouchFor, mayWriteToAnyone } from '../../roles/permission.js';
import { DefaultSubscriptions } from './default-subscriptions.js';
import { ListedCertificates } from './listed-certificates.js';

type Columns = Omit<Subscription, 'id' | 'builtIn' | 'creatorId' | 'createdAt'>;

/** Checks a request for a subscription, with the rights that it needs, and turns it into the columns of its row. */
@Injectable()
export class SubscriptionForm {
  constructor(
    private readonly clock: Clock,
    private readonly channels: ChannelRepository,
    private readonly authorities: AuthorityRepository,
    private readonly plugins: PluginRegistry,
  ) {}

  /** Throws Problem `invalid-request` or `forbidden`. */
  async columns(tx: Tx, actor: Actor, request: SubscriptionRequest, before?: Subscription): Promise<Columns> {
    const { label, description, active, leadUnit, scope, owner = null, certificateLabel = null } = request;
    const events = [...new Set(request.events)];
    if (isDefaultLabel(label) && label.toLowerCase() !== before?.label.toLowerCase())
      throw invalid(
        'label',
        'Labels that begin with DEFAULT_ are reserved for the subscriptions that the program makes.',
      );
    const channel = await this.channels.resolve(tx, request.channel, 'channel');
    this.demandSupported(channel.pluginId, events);
    const authority = request.authority ? await this.authorities.find(tx, request.authority) : null;
    if (request.authority && !authority)
      throw invalid('authority', `Unable to locate authority ${wordsOf(request.authority)}.`);
    const columns = { label, description: description ?? null, active, channelId: channel.id, events };
    const leads = { leadsS: leadsOf(request), leadUnit, ...(await this.escalation(tx, request)) };
    const summary = { nextSummaryAt: this.summaryAt(events, before) };
    const after = {
      ...columns,
      ...leads,
      ...summary,
      scope,
      owner,
      authorityId: authority?.id ?? null,
      certificateLabel,
    };
    demandScope(actor, after, before);
    if (before?.builtIn) demandSameWarning(before, after);
    return after;
  }

  private summaryAt(events: readonly NoticeEvent[], before?: Subscription): Date | null {
    return events.includes('summary.weekly') ? (before?.nextSummaryAt ?? nextSummaryAt(this.clock.now())) : null;
  }

  private async escalation(
    tx: Tx,
    { escalation, events }: SubscriptionRequest,
  ): Promise<Pick<Subscription, 'escalateAfterDays' | 'escalateChannelId'>> {
    if (!escalation) return { escalateAfterDays: null, escalateChannelId: null };
    const channel = await this.channels.resolve(tx, escalation.channel, 'escalation.channel');
    this.demandSupported(channel.pluginId, events.filter(isLastingProblem), 'escalation.channel');
    return { escalateAfterDays: escalation.afterDays, escalateChannelId: channel.id };
  }

  private demandSupported(pluginId: string, events: readonly NoticeEvent[], field = 'events'): void {
    const unheard = unheardOf(this.plugins.find('notification', pluginId), events);
    if (unheard) throw invalid(field, `The plugin of this channel does not support ${unheard}.`);
  }
}

/** Creates, changes and deletes subscriptions, and plans the warnings of their certificates again. */
@Injectable()
export class SubscriptionService {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly audit: Audit,
    private readonly form: SubscriptionForm,
    private readonly subscriptions: SubscriptionRepository,
    private readonly defaults: DefaultSubscriptions,
    private readonly listed: ListedCertificates,
  ) {}

  create(actor: Actor, request: SubscriptionRequest): Promise<SubscriptionView> {
    return this.db.write(async (tx) => {
      const columns = await this.form.columns(tx, actor, request);
      const creatorId = actor.userId || null;
      const row = { ...columns, builtIn: false, creatorId, createdAt: this.clock.now() };
      const { id } = await this.subscriptions.save(tx, row);
      const listed = await this.listed.change(tx, actor, id, request);
      await replanSubscription.enqueue(tx, { subscriptionId: id, after: 0 });
      const view = await this.subscriptions.view(tx, id);
      await this.audit.record(tx, actor, {
        action: 'subscription.created',
        targetType: 'subscription',
        targetId: id,
        after: { ...view, ...listed },
      });
      return view;
    });
  }

  /** Throws Problem `not-found`, `forbidden`, or `in-use` when certificates would have no warning left. */
  update(actor: Actor, id: number, request: SubscriptionRequest): Promise<SubscriptionView> {
    return this.db.write(async (tx) => {
      const row = await this.lockOwn(tx, actor, id);
      const before = await this.subscriptions.view(tx, id);
      const columns = await this.form.columns(tx, actor, request, row);
      const listed = await this.defaults.keepWarned(tx, [id], async () => {
        await this.subscriptions.save(tx, Object.assign(row, columns));
        return this.listed.change(tx, actor, id, request);
      });
      await replanSubscription.enqueue(tx, { subscriptionId: id, after: 0 });
      const view = await this.subscriptions.view(tx, id);
      await this.audit.record(tx, actor, {
        action: 'subscription.updated',
        targetType: 'subscription',
        targetId: id,
        before,
        after: { ...view, ...listed },
      });
      return view;
    });
  }

  /** Throws as `update`. */
  async remove(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      const row = await this.lockOwn(tx, actor, id);
      const before = await this.subscriptions.view(tx, id);
      await this.defaults.keepWarned(tx, [id], () => this.subscriptions.remove(tx, row));
      await this.audit.record(tx, actor, {
        action: 'subscription.deleted',
        targetType: 'subscription',
        targetId: id,
        before,
      });
    });
  }

  private async lockOwn(tx: Tx, actor: Actor, id: number): Promise<Subscription> {
    const row = await this.subscriptions.lock(tx, id);
    if (!mayChangeNotification(actor, row))
      throw new Problem('forbidden', `You are not authorized to change subscription ${row.label}.`);
    return row;
  }
}

/** An unchanged scope needs no new right. */
function demandScope(actor: Actor, { scope, owner, ...after }: Columns, before?: Subscription): void {
  const isSame =
    before?.scope === scope &&
    before.owner === owner &&
    before.authorityId === after.authorityId &&
    before.certificateLabel === after.certificateLabel;
  if (isSame || scope === 'certificates' || mayWriteToAnyone(actor)) return;
  if (scope !== 'owner' || owner === null || !mayVouchFor(actor, owner))
    throw new Problem(
      'forbidden',
      scope === 'owner'
        ? `You do not hold the role ${owner ?? ''}.`
        : 'Only administrators and operators can subscribe to certificates of all owners.',
    );
}

/** A default subscription keeps its label, events, leads and scope, because certificates rely on its warnings. */
function demandSameWarning(before: Subscription, after: Columns): void {
  const factsOf = ({ label, events, leadsS, scope, owner }: Columns): string =>
    JSON.stringify([label, events, leadsS, scope, owner]);
  if (factsOf(before) !== factsOf(after))
    throw invalid(
      'label',
      `${before.label} is one of the program's own: it can be switched off and sent through another channel. For ` +
        'anything else create another.',
    );
}
