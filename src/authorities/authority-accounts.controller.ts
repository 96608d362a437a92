import { Controller, HttpCode, Post } from '@nestjs/common';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, Summary } from '../platform/http/contract.js';
import { Removed } from '../platform/http/page.js';
import { AuthorityAccounts } from './authority-accounts.js';

@Controller('authorities/:id/account-key')
export class AuthorityAccountsController {
  constructor(private readonly accounts: AuthorityAccounts) {}

  @Post()
  @HttpCode(200)
  @Requires('authority:update')
  @Summary(
    'Replace the key of the account at the CA',
    'For an issuer that signs in with a key of its own (ACME). The next call finishes a change whose answer was lost.',
  )
  @Answers(200, Removed)
  async change(@Who() actor: Actor, @Id() id: number): Promise<Removed> {
    await this.accounts.changeKey(actor, id);
    return { result: true };
  }
}
