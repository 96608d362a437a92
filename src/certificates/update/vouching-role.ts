import { Injectable, type OnModuleInit } from '@nestjs/common';
import { RoleRenames } from '../../roles/role-renames.js';

/**
 * When a role gets another name, certificates go on renewing by its rights, and those of the owner whose role it was
 * list it: who looked after them before still does.
 */
@Injectable()
export class VouchingRole implements OnModuleInit {
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
