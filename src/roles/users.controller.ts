import { Controller, Get, Post, Put } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '../platform/db/database.js';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { type Page, pageOf } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import { type Account, AccountRepository } from './account.repository.js';
import { AccountChanges, AccountQuery, AccountView, accountView, NewAccount } from './account.schema.js';
import { AccountService } from './account.service.js';
import { isAdmin } from './permission.js';
import { RoleLabelView } from './role.schema.js';

type View = z.output<typeof AccountView>;

/** Users and what they hold. It stands beside the roles because it shows them. */
@Controller('users')
export class UsersController {
  constructor(
    private readonly db: Database,
    private readonly accounts: AccountRepository,
    private readonly service: AccountService,
  ) {}

  @Get()
  @Requires('user:read')
  @Summary('List users')
  @Answers(200, pageOf(AccountView))
  async list(@QueryOf(AccountQuery) query: AccountQuery): Promise<Page<View>> {
    const page = await this.accounts.list(this.db.single, query);
    return { ...page, items: page.items.map(accountView) };
  }

  @Get(':id')
  @Requires('self')
  @Summary('Read a user', 'For administrators, and for everyone about themselves.')
  @Answers(200, AccountView)
  async read(@Who() actor: Actor, @Id() id: number): Promise<View> {
    return accountView(await this.visible(actor, id));
  }

  @Get(':id/roles')
  @Requires('self')
  @Summary('List the roles of a user', 'For administrators, and for everyone about themselves.')
  @Answers(200, pageOf(RoleLabelView))
  async roles(@Who() actor: Actor, @Id() id: number): Promise<Page<z.output<typeof RoleLabelView>>> {
    const { roles } = accountView(await this.visible(actor, id));
    return { items: roles, total: roles.length };
  }

  @Post()
  @Requires('user:write')
  @Summary('Make a user')
  @Answers(200, AccountView)
  async create(@Who() actor: Actor, @JsonBody(NewAccount) body: NewAccount): Promise<View> {
    return accountView(await this.service.create(actor, body));
  }

  @Put(':id')
  @Requires('user:write')
  @Summary('Change a user')
  @Answers(200, AccountView)
  async change(@Who() actor: Actor, @Id() id: number, @JsonBody(AccountChanges) body: AccountChanges): Promise<View> {
    return accountView(await this.service.change(actor, id, body));
  }

  private async visible(actor: Actor, id: number): Promise<Account> {
    if (!isAdmin(actor) && actor.userId !== id) throw new Problem('forbidden', 'Only administrators may see other users.');
    return this.accounts.get(this.db.single, id);
  }
}
