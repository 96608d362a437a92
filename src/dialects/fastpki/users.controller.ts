import { Controller, Get } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { holds, isAdmin } from '../../roles/permission.js';
import { teamOf } from '../../roles/team.js';
import { fastpkiPrefix } from './fastpki.surfaces.js';

/** The signed-in user as FastPKI shows it. */
export interface CurrentUserView {
  id: number;
  username: string;
  email: string;
  role: 'superuser' | 'admin' | 'user';
  is_active: true;
  organization_id: number | null;
  can_create_ca: boolean;
  can_create_cert: boolean;
  can_revoke_cert: boolean;
  can_export_private_key: boolean;
  can_delete_ca: boolean;
}

/** FastPKI's route of the signed-in user. */
@ApiExcludeController()
@Controller(`${fastpkiPrefix}/users`)
export class FastpkiUsersController {
  @Get('me')
  @Requires('self')
  me(@Who() actor: Actor): CurrentUserView {
    const { userId, username, email, permissions } = actor;
    return {
      id: userId,
      username,
      email,
      role: isAdmin(actor) ? 'superuser' : holds(actor, 'operator') ? 'admin' : 'user',
      is_active: true,
      organization_id: teamOf(actor)?.id ?? null,
      can_create_ca: permissions.has('authority:create'),
      can_create_cert: permissions.has('certificate:issue'),
      can_revoke_cert: permissions.has('certificate:revoke'),
      can_export_private_key: permissions.has('key:read'),
      can_delete_ca: permissions.has('authority:create'),
    };
  }
}
