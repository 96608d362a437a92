import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Jobs } from '../jobs/job-runner.js';
import { systemActor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { rekeyAll } from './rekey.jobs.js';
import { Rekeying } from './rekeying.js';

/** Moves sealed values in a worker. A value that does not open makes it a dead letter, which names the place. */
@Injectable()
export class RekeyJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly rekeying: Rekeying,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(rekeyAll, async (_, { jobId, signal }) => {
      const { damaged } = await this.rekeying.run(systemActor(jobId), { signal, moved: () => undefined });
      if (damaged.length > 0)
        throw new Problem(
          'internal',
          `These values do not open, and keep the old keys needed: ${damaged.slice(0, 10).join(', ')}`,
        );
    });
  }
}
