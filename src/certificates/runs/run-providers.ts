import { RunJob, RunSteps } from './run.job.js';
import { RunRepository } from './run.repository.js';
import { RunChecks } from './run-checks.js';
import { RunKinds } from './run-kind.js';
import { RunTime } from './run-time.js';
import { Runs } from './runs.js';

/** Runs that do something to many certificates, whatever it is. */
export const runProviders = [RunChecks, RunJob, RunKinds, RunRepository, Runs, RunSteps, RunTime];
