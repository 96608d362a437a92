import { Injectable } from '@nestjs/common';
import { Audit, type AuditActor } from '../audit/audit.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import type { User } from '../users/user.entity.js';
import { UserRepository } from '../users/user.repository.js';
import { Tokens } from './tokens.js';

/** The origin of a sign-in: IP address and request. */
export interface Visitor {
  address: string;
  requestId: string;
}

/** The method of a sign-in; `basic` for one in the request itself. Stored in audit events, never renamed. */
export type Way = 'password' | 'ldap' | 'basic' | 'oidc' | 'google';

/** A failed sign-in. `reason` appears in the audit log only; `userId` is set if there is a user with this name. */
export interface FailedSignIn {
  name: string;
  userId?: number;
  way: Way;
  reason?: string;
}

/** Opens and ends sessions, and records successful and failed sign-ins. The caller has authenticated the user. */
@Injectable()
export class Sessions {
  constructor(
    private readonly db: Database,
    private readonly tokens: Tokens,
    private readonly audit: Audit,
    private readonly users: UserRepository,
  ) {}

  /** Returns the token of the new session. */
  async open(visitor: Visitor, user: Pick<User, 'id' | 'username' | 'tokenEpoch'>, way: Way): Promise<string> {
    await this.recordOpened(visitor, user, way);
    return this.tokens.issue({ userId: user.id, epoch: user.tokenEpoch });
  }

  /** Records a successful sign-in. */
  async recordOpened({ address, requestId }: Visitor, user: Pick<User, 'id' | 'username'>, way: Way): Promise<void> {
    const actor = { userId: user.id, username: user.username, address, requestId };
    await this.audit.record(this.db.single, actor, {
      action: 'session.opened',
      targetType: 'user',
      targetId: user.id,
      after: { way },
    });
  }

  /** Ends all sessions of the actor. API keys stay valid. */
  async closeAll(actor: Actor): Promise<void> {
    await this.db.write(async (tx) => {
      await this.users.revokeTokens(tx, actor.userId);
      await this.audit.record(tx, actor, { action: 'session.closed', targetType: 'user', targetId: actor.userId });
    });
  }

  /** Records a failed sign-in. The caller throws. */
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
