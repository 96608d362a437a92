import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import type { z } from 'zod';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { Idempotent } from '../platform/http/idempotent.js';
import { type Page, pageOf, Removed } from '../platform/http/page.js';
import { ApiKeyChanges, ApiKeyQuery, ApiKeyView, apiKeyView, MadeApiKey, NewApiKey } from './api-key.schema.js';
import { ApiKeyService } from './api-key.service.js';

type View = z.output<typeof ApiKeyView>;
const access = 'For its user and administrators. The response has no secret.';

/** Routes of API keys. */
@Controller('keys')
export class ApiKeysController {
  constructor(private readonly service: ApiKeyService) {}

  @Get()
  @Requires('apikey:read')
  @Summary('List API keys', 'Your own keys; for administrators, all keys.')
  @Answers(200, pageOf(ApiKeyView))
  async list(@Who() actor: Actor, @QueryOf(ApiKeyQuery) query: ApiKeyQuery): Promise<Page<View>> {
    const page = await this.service.list(actor, query);
    return { ...page, items: page.items.map(apiKeyView) };
  }

  @Post()
  @Idempotent({ hasSecret: true })
  @Requires('apikey:write')
  @Summary('Create an API key', 'Only this response contains the secret.')
  @Answers(200, MadeApiKey)
  async create(@Who() actor: Actor, @JsonBody(NewApiKey) body: NewApiKey): Promise<z.output<typeof MadeApiKey>> {
    const { key, secret } = await this.service.create(actor, body);
    return { ...apiKeyView(key), jwt: secret };
  }

  @Get(':aid')
  @Requires('apikey:read')
  @Summary('Read an API key', access)
  @Answers(200, ApiKeyView)
  async read(@Who() actor: Actor, @Id('aid') id: number): Promise<View> {
    return apiKeyView(await this.service.read(actor, id));
  }

  @Get(':aid/described')
  @Requires('apikey:read')
  @Summary('Read an API key', 'The same as `GET /keys/{aid}`, at the path of Lemur.')
  @Answers(200, ApiKeyView)
  async described(@Who() actor: Actor, @Id('aid') id: number): Promise<View> {
    return this.read(actor, id);
  }

  @Put(':aid')
  @Requires('apikey:write')
  @Summary('Change or revoke an API key')
  @Answers(200, ApiKeyView)
  async change(
    @Who() actor: Actor,
    @Id('aid') id: number,
    @JsonBody(ApiKeyChanges) body: ApiKeyChanges,
  ): Promise<View> {
    return apiKeyView(await this.service.change(actor, await this.service.read(actor, id), body));
  }

  @Delete(':aid')
  @Requires('apikey:write')
  @Summary('Delete an API key')
  @Answers(200, Removed)
  async remove(@Who() actor: Actor, @Id('aid') id: number): Promise<Removed> {
    await this.service.remove(actor, await this.service.read(actor, id));
    return { result: true };
  }
}

/** Routes of the API keys of one user. */
@Controller('users/:id/keys')
export class UserApiKeysController {
  constructor(private readonly service: ApiKeyService) {}

  @Get()
  @Requires('apikey:read')
  @Summary('List the API keys of a user')
  @Answers(200, pageOf(ApiKeyView))
  async list(@Who() actor: Actor, @Id() userId: number, @QueryOf(ApiKeyQuery) query: ApiKeyQuery): Promise<Page<View>> {
    const page = await this.service.list(actor, query, userId);
    return { ...page, items: page.items.map(apiKeyView) };
  }

  @Post()
  @Idempotent({ hasSecret: true })
  @Requires('apikey:write')
  @Summary('Create an API key for a user', 'Only this response contains the secret.')
  @Answers(200, MadeApiKey)
  async create(
    @Who() actor: Actor,
    @Id() userId: number,
    @JsonBody(NewApiKey) body: NewApiKey,
  ): Promise<z.output<typeof MadeApiKey>> {
    const { key, secret } = await this.service.createFor(actor, userId, body);
    return { ...apiKeyView(key), jwt: secret };
  }

  @Get(':aid')
  @Requires('apikey:read')
  @Summary('Read an API key of a user', access)
  @Answers(200, ApiKeyView)
  async read(@Who() actor: Actor, @Id() userId: number, @Id('aid') id: number): Promise<View> {
    return apiKeyView(await this.service.read(actor, id, userId));
  }

  @Put(':aid')
  @Requires('apikey:write')
  @Summary('Change or revoke an API key of a user')
  @Answers(200, ApiKeyView)
  async change(
    @Who() actor: Actor,
    @Id() userId: number,
    @Id('aid') id: number,
    @JsonBody(ApiKeyChanges) body: ApiKeyChanges,
  ): Promise<View> {
    return apiKeyView(await this.service.change(actor, await this.service.read(actor, id, userId), body));
  }

  @Delete(':aid')
  @Requires('apikey:write')
  @Summary('Delete an API key of a user')
  @Answers(200, Removed)
  async remove(@Who() actor: Actor, @Id() userId: number, @Id('aid') id: number): Promise<Removed> {
    await this.service.remove(actor, await this.service.read(actor, id, userId));
    return { result: true };
  }
}
