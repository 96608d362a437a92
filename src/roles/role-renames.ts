import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';

/** Updates stored copies of a role's name, in the transaction of the rename. */
export type RenameFollower = (tx: Tx, before: string, after: string) => Promise<void>;

/** Notifies features that store role names of a rename, so that this module need not know them. */
@Injectable()
export class RoleRenames {
  private readonly followers: RenameFollower[] = [];

  /** Called at boot. */
  follow(follower: RenameFollower): void {
    this.followers.push(follower);
  }

  /** Calls every follower. If one throws, the rename rolls back. */
  async renamed(tx: Tx, before: string, after: string): Promise<void> {
    for (const follower of this.followers) await follower(tx, before, after);
  }
}
