import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { AttemptLimit } from './attempt-limit.js';

const perKey = { attempts: 1, windowMs: 60_000, keys: 50_000 };

/** Records refused requests for private keys in the audit log. */
@Injectable()
export class KeyRefusals {
  private readonly noted = new AttemptLimit(perKey);

  constructor(
    private readonly db: Database,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /**
   * Writes in its own transaction, because that of the request rolls back. At most once a minute for the same actor and
   * certificate.
   */
  async note(actor: Actor, certificateId: number): Promise<void> {
    if (this.noted.take(`${actor.userId} ${actor.apiKey?.id ?? ''} ${certificateId}`, this.clock.now().getTime()) > 0)
      return;
    await this.db.write((tx) =>
      this.audit.record(tx, actor, { action: 'key.refused', targetType: 'certificate', targetId: certificateId }),
    );
  }
}
