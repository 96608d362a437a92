import { Injectable } from '@nestjs/common';
import { MailLimit } from '../../auth/mail-limit.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import type { RevokeRequest } from '../revoke/revoke.schema.js';
import { RevokeService } from '../revoke/revoke.service.js';
import { type Prepared, type RunKind, RunKinds, type RunTask } from '../runs/run-kind.js';
import { RunRepository } from '../runs/run.repository.js';

/** How a run revokes each of its certificates; as it is stored. `invalidityDate`: ISO 8601. */
export interface RevocationWishes {
  crlReason: RevokeRequest['crlReason'];
  comments: string | null;
  invalidityDate: string | null;
  replace: boolean | null;
}

/** Runs that revoke certificates. */
@Injectable()
export class RevocationKind implements RunKind<RevocationWishes, null> {
  readonly name = 'revocation';
  readonly path = '/revocations';
  readonly permission = 'certificate:revoke';
  readonly already = 'already-revoked';

  constructor(
    private readonly db: Database,
    private readonly runs: RunRepository,
    private readonly revocation: RevokeService,
    private readonly mailLimit: MailLimit,
    kinds: RunKinds,
  ) {
    kinds.add(this);
  }

  wishesOf(stored: unknown): RevocationWishes {
    return stored as RevocationWishes;
  }

  /** All mails of a run count as one request, because its pace bounds them. Throws Problem `too-many-requests`. */
  async demand(actor: Actor, certificateIds: readonly number[]): Promise<void> {
    this.mailLimit.demandOnce(actor, await this.runs.ownersOf(this.db.single, certificateIds));
  }

  settled(tx: Tx, certificateIds: readonly number[]): Promise<Set<number>> {
    return this.runs.revokedOf(tx, certificateIds);
  }

  async prepare(actor: Actor, certificateId: number, wishes: RevocationWishes): Promise<Prepared<null>> {
    await this.revocation.prepare(actor, certificateId, requestOf(wishes));
    return { hold: null, example: null };
  }

  async run({ actor, certificateId, wishes, done }: RunTask<RevocationWishes>): Promise<null> {
    // Noted by the transaction that revokes: after a crash it would count as revoked by others.
    const noted = this.db.joining((tx) => done(tx, null));
    await noted.during(() => this.revocation.revokeCounted(actor, certificateId, requestOf(wishes)));
    return null;
  }
}

function requestOf({ crlReason, comments, invalidityDate, replace }: RevocationWishes): RevokeRequest {
  return {
    crlReason,
    comments,
    invalidityDate: invalidityDate === null ? null : new Date(invalidityDate),
    ...(replace !== null && { replace }),
  };
}
