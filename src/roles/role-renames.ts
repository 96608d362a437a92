import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';

/** What else happens when a role gets another name, in the same transaction. */
export type RenameFollower = (tx: Tx, before: string, after: string) => Promise<void>;

/** Lets features that store names of roles follow a rename, without roles knowing of them. */
@Injectable()
export class RoleRenames {
  private readonly followers: RenameFollower[] = [];

  /** Called while the program starts. */
  follow(follower: RenameFollower): void {
    this.followers.push(follower);
  }

  /** What is thrown undoes the rename. */
  async renamed(tx: Tx, before: string, after: string): Promise<void> {
    for (const follower of this.followers) await follower(tx, before, after);
  }
}
