import { RevocationRunJob, RevocationRunSteps } from './revocation-run.job.js';
import { RevocationRunRepository } from './revocation-run.repository.js';
import { RevocationRuns } from './revocation-runs.js';
import { RunChecks } from './run-checks.js';
import { RunTime } from './run-time.js';

/** Revocations of many certificates. */
export const revocationRunProviders = [
  RevocationRunJob,
  RevocationRunRepository,
  RevocationRuns,
  RevocationRunSteps,
  RunChecks,
  RunTime,
];
