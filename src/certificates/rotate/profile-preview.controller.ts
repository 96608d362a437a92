import { Controller, Post } from '@nestjs/common';
import { Requires } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../../platform/http/contract.js';
import { ProfilePreview } from './profile-preview.js';
import { ProfilePreviewRequest, ProfilePreviewView } from './profile-preview.schema.js';

/** The route that shows what a change of a profile would do to renewals. */
@Controller('profiles')
export class ProfilePreviewController {
  constructor(private readonly previews: ProfilePreview) {}

  @Post(':id/preview')
  @Requires('profile:write')
  @Summary('How many renewals other rules of a profile would refuse', 'Stores nothing.')
  @Answers(200, ProfilePreviewView)
  preview(
    @Id() id: number,
    @JsonBody(ProfilePreviewRequest) { rules }: ProfilePreviewRequest,
  ): Promise<ProfilePreviewView> {
    return this.previews.of(id, rules);
  }
}
