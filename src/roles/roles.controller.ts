import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '../platform/db/database.js';
import { type Actor, Requires, RequiresAfterBody, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { Idempotent } from '../platform/http/idempotent.js';
import { type Page, pageOf } from '../platform/http/page.js';
import { AccountOrPersonView, accountView, personView } from './account.schema.js';
import { isAdmin } from './permission.js';
import { RoleRelations } from './role-relations.js';
import type { Role } from './role.entity.js';
import { RoleRepository } from './role.repository.js';
import { CredentialsView, NewRole, RoleChanges, RoleQuery, RoleView, roleView } from './role.schema.js';
import { RoleService } from './role.service.js';

type View = z.output<typeof RoleView>;

/** Routes of roles. Role names are public: certificates and authorities show them to every user. */
@Controller('roles')
export class RolesController {
  constructor(
    private readonly db: Database,
    private readonly roles: RoleRepository,
    private readonly service: RoleService,
    private readonly links: RoleRelations,
  ) {}

  @Get()
  @Requires('role:read')
  @Summary('List roles')
  @Answers(200, pageOf(RoleView))
  async list(@Who() actor: Actor, @QueryOf(RoleQuery) query: RoleQuery): Promise<Page<View>> {
    const page = await this.roles.list(this.db.single, query);
    const linksOf = await this.links.of(actor, page.items);
    return { ...page, items: page.items.map((role) => roleView(role, linksOf(role.id))) };
  }

  @Get(':id')
  @Requires('role:read')
  @Summary('Read a role', 'For its holders and administrators.')
  @Answers(200, RoleView)
  async read(@Who() actor: Actor, @Id() id: number): Promise<View> {
    return this.view(actor, await this.service.read(actor, id));
  }

  @Get(':id/users')
  @Requires('role:read')
  @Summary(
    'List the holders of a role',
    'Administrators see all holders. Other users see the names and addresses of active ones.',
  )
  @Answers(200, pageOf(AccountOrPersonView))
  async users(@Who() actor: Actor, @Id() id: number): Promise<Page<z.output<typeof AccountOrPersonView>>> {
    const users = await this.service.usersOf(actor, id);
    return { items: users.map((user) => (isAdmin(actor) ? accountView(user) : personView(user))), total: users.length };
  }

  @Get(':id/credentials')
  @Requires('role:credentials')
  @Summary('Read the stored credentials of a role', 'For its holders and administrators. Every read is an audit event.')
  @Answers(200, CredentialsView)
  async credentials(@Who() actor: Actor, @Id() id: number): Promise<z.output<typeof CredentialsView>> {
    return this.service.credentialsOf(actor, id);
  }

  @Post()
  @Idempotent()
  @RequiresAfterBody('role:write')
  @Summary('Create a role')
  @Answers(200, RoleView)
  async create(@Who() actor: Actor, @JsonBody(NewRole) body: NewRole): Promise<View> {
    return this.view(actor, await this.service.create(actor, body));
  }

  @Put(':id')
  @Requires('role:write')
  @Summary('Change a role')
  @Answers(200, RoleView)
  async change(@Who() actor: Actor, @Id() id: number, @JsonBody(RoleChanges) body: RoleChanges): Promise<View> {
    return this.view(actor, await this.service.change(actor, id, body));
  }

  @Delete(':id')
  @Requires('role:write')
  @Summary('Delete a role', 'Removes the role from its holders and from linked objects. Nothing else is deleted.')
  @Answers(200, z.strictObject({ message: z.string() }))
  async remove(@Who() actor: Actor, @Id() id: number): Promise<{ message: string }> {
    await this.service.remove(actor, id);
    return { message: 'ok' };
  }

  private async view(actor: Actor, role: Role): Promise<View> {
    return roleView(role, (await this.links.of(actor, [role]))(role.id));
  }
}
