import { Injectable } from '@nestjs/common';
import { Audit, type AuditActor } from '../audit/audit.js';
import { Database } from '../platform/db/database.js';
import type { User } from '../users/user.entity.js';
import { Tokens } from './tokens.js';

/** From where someone wants to sign in. */
export interface Visitor {
  address: string;
  requestId: string;
}

/** By what someone proves who they are. Stored in audit events: never renamed. */
export type Way = 'password' | 'ldap' | 'oidc' | 'google';

/** A sign-in that failed. `reason` is for the audit log alone; `userId` is known when the name belongs to someone. */
export interface FailedSignIn {
  name: string;
  userId?: number;
  way: Way;
  reason?: string;
}

/** Opens sessions and keeps the record of both outcomes. Whether someone may sign in is settled before. */
@Injectable()
export class Sessions {
  constructor(
    private readonly db: Database,
    private readonly tokens: Tokens,
    private readonly audit: Audit,
  ) {}

  /** Returns the token of the new session. */
  async open(
    { address, requestId }: Visitor,
    user: Pick<User, 'id' | 'username' | 'tokenEpoch'>,
    way: Way,
  ): Promise<string> {
    const actor = { userId: user.id, username: user.username, address, requestId };
    await this.audit.record(this.db.single, actor, {
      action: 'session.opened',
      targetType: 'user',
      targetId: user.id,
      after: { way },
    });
    return this.tokens.issue({ userId: user.id, epoch: user.tokenEpoch });
  }

  /** Records a failure; the caller throws. */
  async refuse({ address, requestId }: Visitor, { name, userId, way, reason }: FailedSignIn): Promise<void> {
    const actor: AuditActor = { userId: 0, username: name, address, requestId };
    await this.audit.record(this.db.single, actor, {
      action: 'session.refused',
      targetType: 'user',
      targetId: userId ?? '',
      after: { way, ...(reason !== undefined && { reason }) },
    });
  }
}
