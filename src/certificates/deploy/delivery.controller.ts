import { Controller, Get, Post } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '../../platform/db/database.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, QueryOf, Summary } from '../../platform/http/contract.js';
import { instantOrNull, InstantOut } from '../../platform/http/instant.js';
import { listQuery, type Page, pageOf } from '../../platform/http/page.js';
import { queryInt } from '../../platform/http/query.js';
import { deliveryStates, hookStates } from './delivery.entity.js';
import { DeliveryRepository, type ShownDelivery } from './delivery.repository.js';
import { DeliverySight } from './delivery-sight.js';
import { verifications } from './verification.js';
import { DeliveryRetry } from './delivery-retry.js';

const DeliveryQuery = listQuery('id').extend({
  certificateId: queryInt(1, 2_147_483_647).optional(),
  destinationId: queryInt(1, 2_147_483_647).optional(),
  state: z.enum(deliveryStates).optional(),
});
const DeliveriesOfQuery = DeliveryQuery.omit({ certificateId: true });
type DeliveryQuery = z.output<typeof DeliveryQuery>;

const DeliveryView = z
  .object({
    id: z.int(),
    certificateId: z.int(),
    destinationId: z.int(),
    state: z.enum(deliveryStates),
    location: z.string().nullable().meta({
      description:
        'As `detail`, for those who may see the options of the destination or change the certificate; else null.',
    }),
    attempts: z.int(),
    fault: z.string().nullable(),
    detail: z.string().nullable(),
    nextAttemptAt: InstantOut.nullable(),
    nextCheckAt: InstantOut.nullable().meta({ description: 'When a delivered certificate is checked next.' }),
    lastAttemptAt: InstantOut.nullable(),
    deliveredAt: InstantOut.nullable(),
    verification: z
      .enum(verifications)
      .nullable()
      .meta({
        description:
          'Whether the delivered certificate is in use. `pending`: not seen yet. `differs`: something else is. ' +
          '`not-verifiable`: nobody can tell. Null when it is not delivered, or was never checked.',
      }),
    verificationDetail: z.string().nullable().meta({ description: 'Why; shown as `detail`.' }),
    verifiedAt: InstantOut.nullable().meta({ description: 'When it was last seen in use.' }),
    checkedAt: InstantOut.nullable().meta({ description: 'When it was last checked.' }),
    hook: z
      .enum(hookStates)
      .nullable()
      .meta({
        description:
          'Whether the hook of the destination has run for the delivered certificate; `fault` and `detail` say why ' +
          'it is still `due`. Null: it has none.',
      }),
    hookedAt: InstantOut.nullable().meta({ description: 'When the hook succeeded.' }),
    matches: z
      .boolean()
      .nullable()
      .meta({
        description:
          'Whether the filter of the destination selects the certificate. False: it stays until it is detached. ' +
          'Null: the destination has no filter.',
      }),
  })
  .meta({ id: 'Delivery' });
type DeliveryView = z.output<typeof DeliveryView>;

/** The response for a delivery. `isSeen`: whether the actor may see the location. */
function deliveryView(d: ShownDelivery, isSeen: boolean): DeliveryView {
  return {
    id: d.id,
    certificateId: d.certificateId,
    destinationId: d.destinationId,
    state: d.state,
    location: isSeen ? d.location : null,
    attempts: d.attempts,
    fault: d.fault,
    detail: isSeen ? d.faultDetail : null,
    nextAttemptAt: d.state === 'delivered' ? null : instantOrNull(d.nextAttemptAt),
    nextCheckAt: d.state === 'delivered' ? instantOrNull(d.nextAttemptAt) : null,
    lastAttemptAt: instantOrNull(d.lastAttemptAt),
    deliveredAt: instantOrNull(d.deliveredAt),
    verification: d.verification,
    verificationDetail: isSeen ? d.verificationDetail : null,
    verifiedAt: instantOrNull(d.verifiedAt),
    checkedAt: instantOrNull(d.checkedAt),
    hook: d.hook,
    hookedAt: instantOrNull(d.hookedAt),
    matches: d.matches,
  };
}

/** Routes that list and retry deliveries, and that deliver a certificate again. */
@Controller()
export class DeliveryController {
  constructor(
    private readonly db: Database,
    private readonly deliveries: DeliveryRepository,
    private readonly retrying: DeliveryRetry,
    private readonly sight: DeliverySight,
  ) {}

  @Get('deliveries')
  @Requires('delivery:read')
  @Summary('List deliveries', 'Newest first.')
  @Answers(200, pageOf(DeliveryView))
  async list(@Who() actor: Actor, @QueryOf(DeliveryQuery) query: DeliveryQuery): Promise<Page<DeliveryView>> {
    return this.page(actor, query);
  }

  @Get('deliveries/:id')
  @Requires('delivery:read')
  @Summary('One delivery')
  @Answers(200, DeliveryView)
  async get(@Who() actor: Actor, @Id() id: number): Promise<DeliveryView> {
    return this.one(actor, id);
  }

  @Get('certificates/:id/deliveries')
  @Requires('delivery:read')
  @Summary('Where a certificate is delivered')
  @Answers(200, pageOf(DeliveryView))
  async of(
    @Who() actor: Actor,
    @Id() certificateId: number,
    @QueryOf(DeliveriesOfQuery) query: z.output<typeof DeliveriesOfQuery>,
  ): Promise<Page<DeliveryView>> {
    return this.page(actor, { ...query, certificateId });
  }

  @Post('certificates/:id/redeploy')
  @Requires('delivery:retry')
  @Summary('Deliver a certificate again', 'To everywhere it is wanted, at once.')
  @Answers(200, pageOf(DeliveryView))
  async redeploy(@Who() actor: Actor, @Id() certificateId: number): Promise<Page<DeliveryView>> {
    await this.retrying.redeploy(actor, certificateId);
    return this.page(actor, { certificateId, page: 1, count: 200 });
  }

  @Post('deliveries/:id/retry')
  @Requires('delivery:retry')
  @Summary('Try a delivery again now')
  @Answers(200, DeliveryView)
  async retry(@Who() actor: Actor, @Id() id: number): Promise<DeliveryView> {
    await this.retrying.retry(actor, id);
    return this.one(actor, id);
  }

  @Post('deliveries/:id/check')
  @Requires('delivery:retry')
  @Summary(
    'Check a delivery now',
    'Whether the certificate is at its place, and served. `checkedAt` tells when it was done.',
  )
  @Answers(200, DeliveryView)
  async check(@Who() actor: Actor, @Id() id: number): Promise<DeliveryView> {
    await this.retrying.check(actor, id);
    return this.one(actor, id);
  }

  private async page(actor: Actor, query: Parameters<DeliveryRepository['list']>[1]): Promise<Page<DeliveryView>> {
    const page = await this.deliveries.list(this.db.single, query);
    const isSeen = await this.sight.of(actor, page.items);
    return { ...page, items: page.items.map((delivery) => deliveryView(delivery, isSeen(delivery))) };
  }

  private async one(actor: Actor, id: number): Promise<DeliveryView> {
    const delivery = await this.deliveries.shown(this.db.single, id);
    return deliveryView(delivery, (await this.sight.of(actor, [delivery]))(delivery));
  }
}
