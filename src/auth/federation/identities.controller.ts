import { Controller, Delete, Get } from '@nestjs/common';
import { z } from 'zod';
import { Audit } from '../../audit/audit.js';
import { Database } from '../../platform/db/database.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, Summary } from '../../platform/http/contract.js';
import { type Page, pageOf } from '../../platform/http/page.js';
import { Problem } from '../../platform/http/problem.js';
import { isAdmin } from '../../roles/permission.js';
import { AccountRepository } from '../../roles/account.repository.js';
import { UserRepository } from '../../users/user.repository.js';
import { IdentityRepository } from './identity.repository.js';
import type { UserIdentity } from './user-identity.entity.js';

const IdentityView = z
  .strictObject({
    id: z.int(),
    issuer: z.string(),
    subject: z.string(),
    createdAt: z.iso.datetime(),
    lastSignInAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'UserIdentity' });
type IdentityView = z.output<typeof IdentityView>;

/** Routes of the identities of users at identity providers. */
@Controller('users/:id/identities')
export class IdentitiesController {
  constructor(
    private readonly db: Database,
    private readonly accounts: AccountRepository,
    private readonly users: UserRepository,
    private readonly identities: IdentityRepository,
    private readonly audit: Audit,
  ) {}

  @Get()
  @Requires('user:read')
  @Summary('List the identities of a user at identity providers', 'For the user and administrators.')
  @Answers(200, pageOf(IdentityView))
  async list(@Who() actor: Actor, @Id() id: number): Promise<Page<IdentityView>> {
    if (actor.userId !== id && !isAdmin(actor))
      throw new Problem('forbidden', 'Only administrators may see the identities of others.');
    await this.accounts.get(this.db.single, id);
    const items = await this.identities.listOfUser(this.db.single, id);
    return { items: items.map(viewOf), total: items.length };
  }

  @Delete(':identityId')
  @Requires('user:write')
  @Summary(
    'Unlink a user from an identity provider',
    'Ends the sessions of the user. The next sign-in at the provider is treated as a new user. ' +
      'Roles that the provider assigned stay until they are removed.',
  )
  @Answers(200, z.strictObject({ message: z.string() }))
  async remove(
    @Who() actor: Actor,
    @Id() id: number,
    @Id('identityId') identityId: number,
  ): Promise<{ message: string }> {
    await this.db.write(async (tx) => {
      const identity = await this.identities.remove(tx, id, identityId);
      if (!identity) throw new Problem('not-found', `The user has no identity ${identityId}.`);
      await this.users.revokeTokens(tx, id);
      const { issuer, subject } = identity;
      await this.audit.record(tx, actor, {
        action: 'user.unlinked',
        targetType: 'user',
        targetId: id,
        before: { issuer, subject },
      });
    });
    return { message: 'ok' };
  }
}

function viewOf({ id, issuer, subject, createdAt, lastSignInAt }: UserIdentity): IdentityView {
  return { id, issuer, subject, createdAt: createdAt.toISOString(), lastSignInAt: lastSignInAt?.toISOString() ?? null };
}
