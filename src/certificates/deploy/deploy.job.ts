import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Destinations, type ReadyDestination } from '../../destinations/destinations.js';
import type { JobContext } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { Bundle } from '../../plugin-api/plugin.js';
import type { Tx } from '../../platform/db/database.js';
import { Bundles } from '../bundle.js';
import { isExpected } from '../failure.js';
import { deployCertificate } from './deploy.jobs.js';
import { DeployRecord } from './deploy.record.js';

/** What one attempt works with. `location` is where a removal takes place. */
export interface Attempt {
  deliveryId: number;
  certificateId: number;
  removal: boolean;
  location: string | null;
  target: ReadyDestination;
  bundle: Bundle;
}

/** Lock and re-check, act without a transaction, record. */
@Injectable()
export class DeployJob implements OnModuleInit {
  private readonly logger = new Logger('deploy');

  constructor(
    private readonly jobs: Jobs,
    private readonly destinations: Destinations,
    private readonly record: DeployRecord,
    private readonly bundles: Bundles,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(deployCertificate, (data, context) => this.run(data.deliveryId, context));
  }

  private async run(deliveryId: number, { signal }: JobContext): Promise<void> {
    const attempt = await this.record.begin(deliveryId, (tx, delivery, certificate) => this.prepare(tx, delivery, certificate));
    if (!attempt) return;
    try {
      if (attempt.removal) await this.remove(attempt, signal);
      else await this.deliver(attempt, signal);
    } catch (error) {
      if (signal.aborted && !isExpected(error)) throw error;
      if (!isExpected(error)) this.logger.error(error);
      await this.record.failed(attempt, error);
    }
  }

  private async prepare(
    tx: Tx, delivery: { id: number; destinationId: number; state: string; location: string | null }, certificate: Parameters<Bundles['public']>[0],
  ): Promise<Attempt> {
    const target = await this.destinations.get(tx, delivery.destinationId);
    const removal = delivery.state === 'removing';
    const keyed = target.plugin.needsPrivateKey && !removal && certificate.sealedKey !== null;
    return {
      deliveryId: delivery.id, certificateId: certificate.id, removal, location: delivery.location, target,
      bundle: keyed ? this.bundles.withKey(certificate) : this.bundles.public(certificate),
    };
  }

  private async deliver(attempt: Attempt, signal: AbortSignal): Promise<void> {
    const { target, bundle } = attempt;
    if (target.plugin.needsPrivateKey && !bundle.privateKeyPem) {
      throw new PluginError('misconfigured', `${target.plugin.title} needs the private key, which is not kept here.`);
    }
    await this.record.claimLocation(attempt, this.destinations.locate(target, bundle));
    await this.record.arrived(attempt, await this.destinations.deliver(target, bundle, signal));
  }

  private async remove(attempt: Attempt, signal: AbortSignal): Promise<void> {
    if (attempt.location !== null) await this.destinations.remove(attempt.target, attempt.location, signal);
    await this.record.removed(attempt);
  }
}
