import { Injectable, type OnModuleInit } from '@nestjs/common';
import { RoleRenames } from '../../roles/role-renames.js';

/** Keeps certificates renewing by the rights of the same role when that gets another name. */
@Injectable()
export class VouchingRole implements OnModuleInit {
  constructor(private readonly renames: RoleRenames) {}

  onModuleInit(): void {
    this.renames.follow(async (tx, before, after) => {
      await tx.query('update certificate set vouching_role = $2 where lower(vouching_role) = lower($1)', [
        before,
        after,
      ]);
    });
  }
}
