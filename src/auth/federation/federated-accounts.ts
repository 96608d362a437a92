import { Injectable } from '@nestjs/common';
import { Audit, type AuditActor } from '../../audit/audit.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx, violatedConstraint } from '../../platform/db/database.js';
import { Problem } from '../../platform/http/problem.js';
import { type Account, AccountRepository } from '../../roles/account.repository.js';
import { NewAccount } from '../../roles/account.schema.js';
import { RoleGiving } from '../../roles/role-giving.js';
import { UserRepository } from '../../users/user.repository.js';
import type { Visitor } from '../sessions.js';
import { FederatedRoles } from './federated-roles.js';
import { IdentityRepository } from './identity.repository.js';
import { type Admission, type Profile, Refusal } from './profile.js';

const userOfSubject = 'Another user is linked to this identity.';

/** The tables that a sign-in elsewhere touches. */
@Injectable()
export class FederationTables {
  constructor(
    readonly users: UserRepository,
    readonly accounts: AccountRepository,
    readonly identities: IdentityRepository,
    readonly giving: RoleGiving,
  ) {}
}

/** Finds, links or makes the user of somebody whom an identity provider knows. */
@Injectable()
export class FederatedAccounts {
  constructor(
    private readonly db: Database,
    private readonly tables: FederationTables,
    private readonly roles: FederatedRoles,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /** The account with its roles brought up to date. Throws Refusal, and then nothing has changed. */
  async admit(profile: Profile, admission: Admission, visitor: Visitor): Promise<Account> {
    const { accounts, identities } = this.tables;
    try {
      return await this.db.write(async (tx) => {
        await identities.lock(tx, profile);
        const id = (await identities.findUserId(tx, profile)) ?? (await this.newcomer(tx, profile, admission, visitor));
        const account = await accounts.get(tx, id);
        if (!account.active) throw new Refusal('The user is not active.');
        await identities.touch(tx, profile, this.clock.now());
        await this.roles.follow(tx, { account, profile, actor: actorOf(account, visitor) });
        return accounts.get(tx, id);
      });
    } catch (error) {
      throw refusalOf(error);
    }
  }

  private async newcomer(
    tx: Tx,
    profile: Profile,
    { createUsers, linkByEmail }: Admission,
    visitor: Visitor,
  ): Promise<number> {
    const { email } = profile;
    if (email === null) throw new Refusal('The provider vouches for no e-mail address.');
    const existing = await this.tables.users.findIdByEmail(tx, email);
    if (existing !== null && !linkByEmail)
      throw new Refusal(`There is already a user with the address ${email}, and users are not linked by address.`);
    if (existing === null && !createUsers)
      throw new Refusal(`There is no user with the address ${email}, and none is made.`);
    const id =
      existing === null
        ? await this.create(tx, profile, email, visitor)
        : await this.link(tx, profile, existing, visitor);
    await this.tables.identities.add(tx, id, profile);
    return id;
  }

  private async link(tx: Tx, { issuer, subject }: Profile, userId: number, visitor: Visitor): Promise<number> {
    const { accounts, identities } = this.tables;
    if (await identities.has(tx, userId, issuer))
      throw new Refusal('The user with this address is somebody else there.');
    await identities.adoptThirdPartyRoles(tx, userId, issuer);
    const account = await accounts.get(tx, userId);
    await this.audit.record(tx, actorOf(account, visitor), {
      action: 'user.linked',
      targetType: 'user',
      targetId: userId,
      after: { issuer, subject },
    });
    return userId;
  }

  private async create(tx: Tx, profile: Profile, email: string, visitor: Visitor): Promise<number> {
    const username = await this.freeName(tx, profile.username, email);
    const { data } = NewAccount.safeParse({ username, email });
    if (!data) throw new Refusal('The name or the address from the provider cannot be that of a user.');
    const id = await this.tables.users.add(tx, { username: data.username, email: data.email, passwordHash: null });
    await this.tables.giving.set(tx, id, await this.tables.giving.toStranger(tx));
    const { issuer, subject } = profile;
    await this.audit.record(
      tx,
      { userId: id, username, ...visitor },
      {
        action: 'user.created',
        targetType: 'user',
        targetId: id,
        after: { username, email, active: true, issuer, subject },
      },
    );
    return id;
  }

  /**
   * The name that the provider knows, unless it is taken, or an address that is not the person's own: then the address.
   * Throws Refusal when that is taken, too.
   */
  private async freeName(tx: Tx, name: string, email: string): Promise<string> {
    const wanted = [name.trim(), email].filter(
      (candidate) => candidate !== '' && (!candidate.includes('@') || candidate.toLowerCase() === email),
    );
    for (const candidate of wanted)
      if ((await this.tables.users.findForSignIn(tx, candidate)) === null) return candidate;
    throw new Refusal(`There is already a user with the name ${email}.`);
  }
}

function actorOf({ id, username }: Account, { address, requestId }: Visitor): AuditActor {
  return { userId: id, username, address, requestId };
}

/**
 * Two who come for the first time at once can run into one another; the loser is told what a moment later would be
 * found.
 */
function refusalOf(error: unknown): unknown {
  if (error instanceof Problem && error.code === 'conflict') return new Refusal(error.detail);
  return violatedConstraint(error)?.startsWith('user_identity_') ? new Refusal(userOfSubject) : error;
}
