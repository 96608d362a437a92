import { Calendar } from './calendar.js';
import { CalendarRepository } from './calendar.repository.js';
import { PlanHolds } from './plan-holds.js';
import { PlanService } from './plan.service.js';
import { ProfilePreview } from './profile-preview.js';
import { RenewalDispatch } from './renewal-dispatch.js';
import { RenewalFailures } from './renewal-failures.js';
import { RenewalInfoJob } from './renewal-info.job.js';
import { RenewalInfoRepository } from './renewal-info.repository.js';
import { Renewing } from './renewing.js';
import { ReplanRenewals } from './replan-renewals.job.js';
import { ResumeRenewals } from './resume-renewals.job.js';
import { RotateJob, RotateJudge } from './rotate.job.js';
import { RotateService } from './rotate.service.js';
import { RotationLimits } from './rotation-limits.js';
import { PauseTargets, RotationPauses } from './rotation-pauses.js';
import { RotationPreview } from './rotation-preview.js';
import { RotationStatus } from './rotation-status.js';
import { RotationSweep } from './rotation.sweep.js';
import { WaitingRepository } from './waiting.repository.js';

/** Renewals: when they begin, what holds them, and how a successor is requested. */
export const rotationProviders = [
  Calendar,
  CalendarRepository,
  PauseTargets,
  PlanHolds,
  PlanService,
  ProfilePreview,
  RenewalDispatch,
  RenewalFailures,
  RenewalInfoJob,
  RenewalInfoRepository,
  Renewing,
  ReplanRenewals,
  ResumeRenewals,
  RotateJob,
  RotateJudge,
  RotateService,
  RotationLimits,
  RotationPauses,
  RotationPreview,
  RotationStatus,
  RotationSweep,
  WaitingRepository,
];
