import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';

/** What a kind of thing looks like inside an entry of the log, by id; those that are gone are left out. */
type Look = (tx: Tx, ids: readonly number[]) => Promise<ReadonlyMap<number, Record<string, unknown>>>;

/** What entries of the log show of users and certificates: whoever owns the table defines that at the start. */
@Injectable()
export class LogSubjects {
  private readonly looks = new Map<string, Look>();

  /** `kind`: the `targetType` of entries. Called once for each. */
  define(kind: string, look: Look): void {
    if (this.looks.has(kind)) throw new Error(`The log shows ${kind} already.`);
    this.looks.set(kind, look);
  }

  async of(tx: Tx, kind: string, ids: readonly number[]): Promise<ReadonlyMap<number, Record<string, unknown>>> {
    const look = this.looks.get(kind);
    return look && ids.length > 0 ? look(tx, [...new Set(ids)]) : new Map();
  }
}
