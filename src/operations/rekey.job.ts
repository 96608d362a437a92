import { Injectable, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { defineJob } from '../jobs/define-job.js';
import { Jobs } from '../jobs/job-runner.js';
import { systemActor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { Rekeying } from './rekeying.js';

/** Moves every sealed value to the sealing key. After an interruption it continues with what is left. */
export const rekeyAll = defineJob('secrets.rekey', z.object({}), {
  attempts: 5,
  timeoutS: 4 * 3600,
  backoffS: 30,
  concurrency: 1,
});

/** Runs the rekeying in a worker. Values that do not open make the job dead; its error names them. */
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
          `These values do not open, so their keys must stay in the ring: ${damaged.slice(0, 10).join(', ')}`,
        );
    });
  }
}
