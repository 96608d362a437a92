import { Controller, Get, Post, Put } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '../platform/db/database.js';
import { type Actor, Requires, RequiresAfterBody, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { Idempotent } from '../platform/http/idempotent.js';
import { type Page, pageOf } from '../platform/http/page.js';
import { AccountRepository } from './account.repository.js';
import {
  AccountChanges,
  AccountOrPersonView,
  AccountQuery,
  AccountView,
  accountView,
  NewAccount,
  personView,
} from './account.schema.js';
import { AccountService } from './account.service.js';
import { isAdmin } from './permission.js';
import { RoleLabelView } from './role.schema.js';

type View = z.output<typeof AccountView>;
type Seen = z.output<typeof AccountOrPersonView>;

/** Routes of users. In this folder because responses contain roles. */
@Controller('users')
export class UsersController {
  constructor(
    private readonly db: Database,
    private readonly accounts: AccountRepository,
    private readonly service: AccountService,
  ) {}

  @Get()
  @Requires('user:read')
  @Summary('List users', 'Administrators see all users. Other users see the names and addresses of active ones.')
  @Answers(200, pageOf(AccountOrPersonView))
  async list(@Who() actor: Actor, @QueryOf(AccountQuery) query: AccountQuery): Promise<Page<Seen>> {
    const page = await this.accounts.list(this.db.single, query, !isAdmin(actor));
    return {
      ...page,
      items: page.items.map((account) => (isAdmin(actor) ? accountView(account) : personView(account))),
    };
  }

  @Get(':id')
  @Requires('user:read')
  @Summary('Read a user', 'Administrators and the user see everything. Other users see the name and the address.')
  @Answers(200, AccountOrPersonView)
  async read(@Who() actor: Actor, @Id() id: number): Promise<Seen> {
    const account = await this.accounts.get(this.db.single, id);
    return isAdmin(actor) || actor.userId === id ? accountView(account) : personView(account);
  }

  @Get(':id/roles')
  @Requires('role:read')
  @Summary('List the roles of a user')
  @Answers(200, pageOf(RoleLabelView))
  async roles(@Id() id: number): Promise<Page<z.output<typeof RoleLabelView>>> {
    const { roles } = accountView(await this.accounts.get(this.db.single, id));
    return { items: roles, total: roles.length };
  }

  @Post()
  @Idempotent()
  @RequiresAfterBody('user:write')
  @Summary('Create a user')
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
}
