import { Injectable } from '@nestjs/common';
import { Audit, type AuditActor } from '../../audit/audit.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx, violatedConstraint } from '../../platform/db/database.js';
import { Problem } from '../../platform/http/problem.js';
import { type Account, AccountRepository } from '../../roles/account.repository.js';
import { NewAccount } from '../../roles/account.schema.js';
import { RoleAssignment } from '../../roles/role-assignment.js';
import { UserRepository } from '../../users/user.repository.js';
import type { Visitor } from '../sessions.js';
import { FederatedRoles } from './federated-roles.js';
import { IdentityRepository } from './identity.repository.js';
import { type Admission, type Profile, Refusal } from './profile.js';

const userOfSubject = 'Another user is linked to this identity.';

/** Finds, links or creates the user of a person whom an identity provider has authenticated. */
@Injectable()
export class FederatedAccounts {
  constructor(
    private readonly db: Database,
    private readonly users: UserRepository,
    private readonly accounts: AccountRepository,
    private readonly identities: IdentityRepository,
    private readonly assignment: RoleAssignment,
    private readonly roles: FederatedRoles,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /** The account, with roles that follow the provider's groups. Throws Refusal, and then changes nothing. */
  async admit(profile: Profile, admission: Admission, visitor: Visitor): Promise<Account> {
    try {
      return await this.db.write(async (tx) => {
        await this.identities.lock(tx, profile);
        const id =
          (await this.identities.findUserId(tx, profile)) ?? (await this.newcomer(tx, profile, admission, visitor));
        const account = await this.accounts.get(tx, id);
        if (!account.active) throw new Refusal('The user is not active.');
        await this.identities.touch(tx, profile, this.clock.now());
        await this.roles.follow(tx, { account, profile, actor: actorOf(account, visitor) });
        return this.accounts.get(tx, id);
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
    if (email === null) throw new Refusal('The provider gave no verified e-mail address.');
    const existing = await this.users.findIdByEmail(tx, email);
    if (existing !== null && !linkByEmail)
      throw new Refusal(`There is already a user with the address ${email}, and users are not linked by address.`);
    if (existing === null && !createUsers)
      throw new Refusal(`There is no user with the address ${email}, and creating users is off.`);
    const id =
      existing === null
        ? await this.create(tx, profile, email, visitor)
        : await this.link(tx, profile, existing, visitor);
    await this.identities.add(tx, id, profile);
    return id;
  }

  private async link(tx: Tx, { issuer, subject }: Profile, userId: number, visitor: Visitor): Promise<number> {
    if (await this.identities.has(tx, userId, issuer))
      throw new Refusal('The user with this address is linked to another identity of this provider.');
    await this.identities.adoptThirdPartyRoles(tx, userId, issuer);
    const account = await this.accounts.get(tx, userId);
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
    const id = await this.users.add(tx, { username: data.username, email: data.email, passwordHash: null });
    await this.assignment.assign(tx, id, await this.assignment.resolveDefault(tx));
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
   * The user name at the provider; the e-mail address if that name is taken or is another address. Throws Refusal when
   * both are taken.
   */
  private async freeName(tx: Tx, name: string, email: string): Promise<string> {
    const wanted = [name.trim(), email].filter(
      (candidate) => candidate !== '' && (!candidate.includes('@') || candidate.toLowerCase() === email),
    );
    for (const candidate of wanted) if ((await this.users.findForSignIn(tx, candidate)) === null) return candidate;
    throw new Refusal(`There is already a user with the name ${email}.`);
  }
}

function actorOf({ id, username }: Account, { address, requestId }: Visitor): AuditActor {
  return { userId: id, username, address, requestId };
}

/**
 * Two first sign-ins at the same moment can conflict. The second gets the refusal that a later sign-in would get.
 */
function refusalOf(error: unknown): unknown {
  if (error instanceof Problem && error.code === 'conflict') return new Refusal(error.detail);
  return violatedConstraint(error)?.startsWith('user_identity_') ? new Refusal(userOfSubject) : error;
}
