import { Injectable, type OnModuleInit } from '@nestjs/common';
import { addManyToOutbox } from '../../jobs/outbox.js';
import { Periodic } from '../../jobs/periodic.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { deployCertificate } from '../deploy/deploy.jobs.js';
import { DeliveryRepository } from '../deploy/delivery.repository.js';
import { DueRepository } from '../due.repository.js';
import { issueCertificate } from '../issue/issue.jobs.js';
import { rotateCertificate } from './rotate.jobs.js';

/** A job that says nothing more is given out again after this time. */
const againMs = 10 * 60_000;
const batch = 200;

/** The rows that the sweep looks at, together. */
@Injectable()
export class SweptRepositories {
  constructor(
    readonly due: DueRepository,
    readonly deliveries: DeliveryRepository,
  ) {}
}

/** Finds what is due (renewals, orders, deliveries) by the columns that say when, and gives it out as jobs. */
@Injectable()
export class RotationSweep implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly rows: SweptRepositories,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('due-work', this.config.sweepIntervalS, () => this.run());
  }

  /** One look; repeated at once while there is more than one batch. */
  async run(): Promise<void> {
    const { due, deliveries } = this.rows;
    await this.giveOut(rotateCertificate.name, 'certificateId', (tx, now, again) =>
      due.takeDue(tx, 'nextRenewalAt', now, again),
    );
    await this.giveOut(issueCertificate.name, 'certificateId', (tx, now, again) =>
      due.takeDue(tx, 'nextAttemptAt', now, again),
    );
    await this.giveOut(deployCertificate.name, 'deliveryId', (tx, now, again) => deliveries.takeDue(tx, now, again));
  }

  private async giveOut(
    job: string,
    idName: string,
    take: (tx: Tx, now: Date, again: Date) => Promise<number[]>,
  ): Promise<void> {
    for (let taken = batch; taken === batch;) {
      taken = await this.db.write(async (tx) => {
        const now = this.clock.now();
        const ids = await take(tx, now, new Date(now.getTime() + againMs));
        await addManyToOutbox(
          tx,
          job,
          ids.map((id) => ({ data: { [idName]: id } })),
        );
        return ids.length;
      });
    }
  }
}
