import { Injectable, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { Audit } from '../../audit/audit.js';
import { LaterActors } from '../../auth/later-actors.js';
import { Destinations } from '../../destinations/destinations.js';
import { defineJob } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { type Actor, systemActor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { mayDeliverAnything } from '../../roles/permission.js';
import { CertificateAccess } from '../access.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Deploying } from './deploying.js';
import type { DestinationFilter } from './destination-filter.entity.js';
import { DestinationFilterRepository } from './destination-filter.repository.js';

/**
 * Plans the delivery of one certificate to the destinations whose filter it matches. Triggers of the database write
 * the job when a certificate is issued or changes, while there are filters: its name and data are those of migration
 * 108.
 */
export const joinCertificate = defineJob('certificate.join', z.strictObject({ certificateId: z.int() }));

/**
 * Plans the deliveries of the certificates above the id `after` that match the filter of a destination. `again`:
 * another pass follows, for certificates whose transaction began before the filter and ended after the first pass.
 */
export const joinDestination = defineJob(
  'destination.join',
  z.strictObject({ destinationId: z.int(), after: z.int(), again: z.boolean() }),
);

const batch = 100;
const againS = 60;

/** Has certificates join destinations by their filters, with the rights that who set the filter has at that moment. */
@Injectable()
export class Joining {
  constructor(
    private readonly clock: Clock,
    private readonly actors: LaterActors,
    private readonly access: CertificateAccess,
    private readonly certificates: CertificateRepository,
    private readonly filters: DestinationFilterRepository,
    private readonly destinations: Destinations,
    private readonly deploying: Deploying,
    private readonly audit: Audit,
  ) {}

  /** The certificate joins each destination whose filter it matches. */
  async join(tx: Tx, certificateId: number, jobId: string): Promise<void> {
    await this.certificates.lockLines(tx, [certificateId]);
    for (const filter of await this.filters.matchedBy(tx, certificateId, this.clock.now())) {
      const { needsPrivateKey } = await this.destinations.get(tx, filter.destinationId);
      const actor = needsPrivateKey && !filter.hasKey ? null : await this.askerOf(tx, filter, jobId);
      if (actor) await this.plan(tx, actor, certificateId, filter.destinationId);
    }
  }

  /** The next certificates join the destination. Returns the last id; null when there are no more. */
  async joinAll(tx: Tx, destinationId: number, after: number, jobId: string): Promise<number | null> {
    const filter = await this.filters.find(tx, destinationId);
    const actor = filter && (await this.askerOf(tx, filter, jobId));
    if (!actor) return null;
    const { needsPrivateKey: withKey } = await this.destinations.get(tx, destinationId);
    const found = await this.filters.joining(tx, filter, { now: this.clock.now(), after, limit: batch, withKey });
    const ids = found.map(({ id }) => id);
    await this.certificates.lockLines(tx, ids);
    for (const id of ids) await this.plan(tx, actor, id, destinationId);
    return ids.at(-1) ?? null;
  }

  /** Who has set the filter, with the rights of now; null when they are not active any more. */
  askerOf(
    tx: Tx,
    { askerId, apiKeyId }: Pick<DestinationFilter, 'askerId' | 'apiKeyId'>,
    requestId: string,
  ): Promise<Actor | null> {
    return askerId === null ? Promise.resolve(null) : this.actors.find(tx, { userId: askerId, apiKeyId }, requestId);
  }

  private async plan(tx: Tx, actor: Actor, certificateId: number, destinationId: number): Promise<void> {
    if (!(await this.mayDeliver(tx, actor, certificateId, destinationId))) return;
    await this.deploying.plan(tx, certificateId, [destinationId], true);
    await this.audit.record(tx, systemActor('deploy'), {
      action: 'delivery.joined',
      targetType: 'certificate',
      targetId: certificateId,
      after: { destinationId, filterOf: actor.userId },
    });
  }

  /** The rule: a certificate joins if who set the filter could attach it to the destination by hand at this moment. */
  private async mayDeliver(tx: Tx, actor: Actor, certificateId: number, destinationId: number): Promise<boolean> {
    if (mayDeliverAnything(actor)) return true;
    try {
      const certificate = await this.certificates.get(tx, certificateId);
      await this.access.demandChange(tx, actor, certificate);
      await this.access.demandDelivery(tx, actor, certificate, [destinationId]);
      return actor.permissions.has('certificate:update');
    } catch (error) {
      if (error instanceof Problem && error.code === 'forbidden') return false;
      throw error;
    }
  }
}

/** Handles `certificate.join` and `destination.join`. */
@Injectable()
export class JoinJobs implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly db: Database,
    private readonly joining: Joining,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(joinCertificate, ({ certificateId }, { jobId }) =>
      this.db.write((tx) => this.joining.join(tx, certificateId, jobId)),
    );
    this.jobs.handle(joinDestination, ({ destinationId, after, again }, { jobId }) =>
      this.db.write(async (tx) => {
        const last = await this.joining.joinAll(tx, destinationId, after, jobId);
        if (last !== null) await joinDestination.enqueue(tx, { destinationId, after: last, again });
        else if (again)
          await joinDestination.enqueue(tx, { destinationId, after: 0, again: false }, { afterS: againS });
      }),
    );
  }
}
