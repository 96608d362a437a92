import type { Provider } from '@nestjs/common';
import { DeliveryChecks } from './delivery-checks.js';
import { DeliveryRetry } from './delivery-retry.js';
import { DeliverySight } from './delivery-sight.js';
import { DeliveryRepository } from './delivery.repository.js';
import { DeployJob } from './deploy.job.js';
import { DeployRecord } from './deploy.record.js';
import { DeploySweep } from './deploy.sweep.js';
import { DestinationFilterRepository } from './destination-filter.repository.js';
import { DestinationFilters } from './destination-filter.service.js';
import { Deploying } from './deploying.js';
import { JoinJobs, Joining } from './join.job.js';
import { Places } from './places.js';
import { Rollbacks } from './rollbacks.js';

/** The providers of deliveries. */
export const deployProviders: Provider[] = [
  DeliveryRepository,
  DeliveryRetry,
  DeliverySight,
  Deploying,
  DeployJob,
  DeployRecord,
  DeliveryChecks,
  Rollbacks,
  DeploySweep,
  Places,
  DestinationFilterRepository,
  DestinationFilters,
  Joining,
  JoinJobs,
];
