import { Injectable, type OnModuleInit } from '@nestjs/common';
import { RoleRenames } from '../../roles/role-renames.js';

/**
 * Follows the renames of roles. Certificates that are renewed by the rights of a role are renewed by the role with its
 * new name. Certificates whose owner was named like the role list the role, so that its members keep their rights.
 */
@Injectable()
export class VouchingRoleRenames implements OnModuleInit {
  constructor(private readonly renames: RoleRenames) {}

  onModuleInit(): void {
    this.renames.follow(async (tx, before, after) => {
      await tx.query('update certificate set vouching_role = $2 where lower(vouching_role) = lower($1)', [
        before,
        after,
      ]);
      if (before.toLowerCase() === after.toLowerCase()) return;
      await tx.query(
        `insert into certificate_role (certificate_id, role_id)
         select c.id, r.id from certificate c join role r on lower(r.name) = lower($2)
         where lower(c.owner) = lower($1) and c.issuer_role_id is distinct from r.id on conflict do nothing`,
        [before, after],
      );
    });
  }
}
