import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../platform/http/contract.js';
import { Idempotent } from '../platform/http/idempotent.js';
import { type Page, pageOf, type PageQuery } from '../platform/http/page.js';
import { ProfileQuery, ProfileRequest, ProfileVersionView, profileVersionView } from './profile.schema.js';
import { ProfileView, profileView } from './profile.schema.js';
import { Profiles } from './profiles.js';

@Controller('profiles')
export class ProfileController {
  constructor(private readonly profiles: Profiles) {}

  @Get()
  @Requires('profile:read')
  @Summary('List certificate profiles')
  @Answers(200, pageOf(ProfileView))
  async list(@QueryOf(ProfileQuery) query: PageQuery): Promise<Page<ProfileView>> {
    const page = await this.profiles.list(query);
    return { ...page, items: page.items.map(profileView) };
  }

  @Get(':id')
  @Requires('profile:read')
  @Summary('One certificate profile')
  @Answers(200, ProfileView)
  async get(@Id() id: number): Promise<ProfileView> {
    return profileView(await this.profiles.get(id));
  }

  @Get(':id/versions')
  @Requires('profile:read')
  @Summary('All versions of a certificate profile', 'Newest first.')
  @Answers(200, pageOf(ProfileVersionView))
  async versions(@Id() id: number): Promise<Page<ProfileVersionView>> {
    const items = (await this.profiles.versions(id)).map(profileVersionView);
    return { items, total: items.length };
  }

  @Post()
  @Idempotent()
  @Requires('profile:write')
  @Summary('Create a certificate profile')
  @Answers(200, ProfileView)
  async create(@Who() actor: Actor, @JsonBody(ProfileRequest) body: ProfileRequest): Promise<ProfileView> {
    return profileView(await this.profiles.create(actor, body));
  }

  @Put(':id')
  @Requires('profile:write')
  @Summary(
    'Change a certificate profile',
    'Other rules make a new version. Certificates keep the one that they were issued by; renewals follow the newest.',
  )
  @Answers(200, ProfileView)
  async update(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(ProfileRequest) body: ProfileRequest,
  ): Promise<ProfileView> {
    return profileView(await this.profiles.update(actor, id, body));
  }

  @Delete(':id')
  @Requires('profile:write')
  @Summary('Delete an unused certificate profile')
  @Answers(204, null)
  async remove(@Who() actor: Actor, @Id() id: number): Promise<void> {
    await this.profiles.remove(actor, id);
  }
}
