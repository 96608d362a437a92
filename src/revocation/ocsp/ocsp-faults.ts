import type { LoggerService } from '@nestjs/common';
import { AttemptLimit } from '../../auth/attempt-limit.js';
import type { Clock } from '../../platform/clock.js';
import type { ProblemCode } from '../../platform/http/problem.js';
import { problemOf } from '../../platform/http/problem-of.js';
import type { OcspIssuer } from './ocsp-issuers.js';

/** Ends without anybody's help: another process makes the responder, the database or the token is out of service. */
const passing: ReadonlySet<ProblemCode> = new Set(['unavailable', 'plugin-unavailable']);
const perAuthority = { attempts: 1, windowMs: 60_000, keys: 10_000 };

/** Why the status of certificates of this CA could not be signed: its cause. */
export class SigningFault extends Error {
  constructor(
    readonly issuer: Pick<OcspIssuer, 'authorityId'>,
    cause: unknown,
  ) {
    super('The status cannot be signed.', { cause });
  }
}

/** Logs what keeps the OCSP responder from answering, unless it passes: at most once a minute for each authority. */
export class OcspFaults {
  private readonly noted = new AttemptLimit(perAuthority);

  constructor(
    private readonly clock: Pick<Clock, 'now'>,
    private readonly log: Pick<LoggerService, 'error'>,
  ) {}

  /** `publicId` of the authority that was asked; null: any. */
  note(error: unknown, publicId: string | null): void {
    const isOfSigning = error instanceof SigningFault;
    const cause = isOfSigning ? error.cause : error;
    if (passing.has(problemOf(cause).code)) return;
    const key = isOfSigning ? `of ${error.issuer.authorityId}` : `at ${publicId ?? 'any'}`;
    if (this.noted.take(key, this.clock.now().getTime()) > 0) return;
    const whose = isOfSigning ? ` for certificates of authority ${error.issuer.authorityId}` : '';
    this.log.error(`The OCSP responder does not answer${whose}.`, cause);
  }
}
