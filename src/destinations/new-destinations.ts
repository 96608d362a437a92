import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import type { ReadyDestination } from './destinations.js';

/** What else happens when a destination is made, in the same transaction. */
export type Following = (tx: Tx, actor: Actor, made: ReadyDestination) => Promise<void>;

/** Lets others act when a destination is made, without destinations knowing of them. */
@Injectable()
export class NewDestinations {
  private readonly followings: Following[] = [];

  /** Called while the program starts. */
  follow(following: Following): void {
    this.followings.push(following);
  }

  /** What is thrown undoes the destination. */
  async made(tx: Tx, actor: Actor, made: ReadyDestination): Promise<void> {
    for (const following of this.followings) await following(tx, actor, made);
  }
}
