import { Controller, Get } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Requires } from '../../platform/http/actor.js';
import { Database } from '../../platform/db/database.js';
import { PathText } from '../../platform/http/contract.js';
import { longestPage } from '../../platform/http/page.js';
import { Problem } from '../../platform/http/problem.js';
import { ProfileRepository } from '../../profiles/profile.repository.js';
import { djangoCaPath } from './django-ca.surfaces.js';
import { type ProfileView, profileView } from './profile.view.js';
import { profileHere } from './profile-names.js';

/** The profiles that a request can name. */
@Controller(`${djangoCaPath}/profiles`)
@ApiExcludeController()
export class ProfilesController {
  constructor(
    private readonly db: Database,
    private readonly profiles: ProfileRepository,
  ) {}

  @Get()
  @Requires('certificate:issue')
  async list(): Promise<ProfileView[]> {
    const { items } = await this.profiles.list(this.db.single, { page: 1, count: longestPage });
    return items.filter((one) => one.active && one.rules.isCa !== true).map(profileView);
  }

  @Get(':name')
  @Requires('certificate:issue')
  async read(@PathText('name') name: string): Promise<ProfileView> {
    const found = await this.profiles.find(this.db.single, { name: profileHere(name) });
    if (!found?.active || found.rules.isCa === true) throw new Problem('not-found', `There is no profile ${name}.`);
    return profileView(found);
  }
}
