import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { SubscriptionRepository } from '../../notifications/subscription.repository.js';
import { SubscriptionQuery, SubscriptionRequest, SubscriptionView } from '../../notifications/subscription.schema.js';
import { Database } from '../../platform/db/database.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../../platform/http/contract.js';
import { Idempotent } from '../../platform/http/idempotent.js';
import { type Page, pageOf, Removed } from '../../platform/http/page.js';
import { SubscriptionService } from './subscription.service.js';

/** Routes of subscriptions. */
@Controller('subscriptions')
export class SubscriptionController {
  constructor(
    private readonly db: Database,
    private readonly repository: SubscriptionRepository,
    private readonly subscriptions: SubscriptionService,
  ) {}

  @Get()
  @Requires('notification:read')
  @Summary('List subscriptions', 'Each sends some events of some certificates to one channel.')
  @Answers(200, pageOf(SubscriptionView))
  list(@QueryOf(SubscriptionQuery) query: SubscriptionQuery): Promise<Page<SubscriptionView>> {
    return this.repository.list(this.db.single, query);
  }

  @Get(':id')
  @Requires('notification:read')
  @Summary('One subscription')
  @Answers(200, SubscriptionView)
  get(@Id() id: number): Promise<SubscriptionView> {
    return this.repository.view(this.db.single, id);
  }

  @Post()
  @Idempotent()
  @Requires('notification:write')
  @Summary(
    'Create a subscription',
    'You need the right to change listed certificates, and the role of an owner. Other scopes are for ' +
      'administrators and operators.',
  )
  @Answers(200, SubscriptionView)
  create(@Who() actor: Actor, @JsonBody(SubscriptionRequest) body: SubscriptionRequest): Promise<SubscriptionView> {
    return this.subscriptions.create(actor, body);
  }

  @Put(':id')
  @Requires('notification:write')
  @Summary(
    'Change a subscription',
    'For administrators, operators and its creator. Certificates that lose their last warning by mail get the ' +
      'default notifications of their owners.',
  )
  @Answers(200, SubscriptionView)
  update(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(SubscriptionRequest) body: SubscriptionRequest,
  ): Promise<SubscriptionView> {
    return this.subscriptions.update(actor, id, body);
  }

  @Delete(':id')
  @Requires('notification:write')
  @Summary('Delete a subscription', 'Rights and effects as for a change.')
  @Answers(200, Removed)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<Removed> {
    await this.subscriptions.remove(actor, id);
    return { result: true };
  }
}
