import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { AttemptLimit } from './attempt-limit.js';

const perKey = { attempts: 1, windowMs: 60_000, keys: 50_000 };

/** Whose private key was asked for. */
export interface KeyHolder {
  targetType: 'certificate' | 'authority';
  targetId: number;
}

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
   * target.
   */
  async note(actor: Actor, target: KeyHolder): Promise<void> {
    const key = `${actor.userId} ${actor.apiKey?.id ?? ''} ${target.targetType} ${target.targetId}`;
    if (this.noted.take(key, this.clock.now().getTime()) > 0) return;
    await this.db.write((tx) => this.audit.record(tx, actor, { action: 'key.refused', ...target }));
  }
}
