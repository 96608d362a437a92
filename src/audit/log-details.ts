import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';

/** Loads the details of things of one kind by id; leaves out things that no longer exist. */
type Loader = (tx: Tx, ids: readonly number[]) => Promise<ReadonlyMap<number, Record<string, unknown>>>;

/** Details of users and certificates that log entries embed. The module that owns the table registers its loader. */
@Injectable()
export class LogDetails {
  private readonly loaders = new Map<string, Loader>();

  /** `kind` is the `targetType` of events. Call once per kind, at startup. */
  define(kind: string, load: Loader): void {
    if (this.loaders.has(kind)) throw new Error(`Log details for ${kind} are already defined.`);
    this.loaders.set(kind, load);
  }

  async of(tx: Tx, kind: string, ids: readonly number[]): Promise<ReadonlyMap<number, Record<string, unknown>>> {
    const load = this.loaders.get(kind);
    return load && ids.length > 0 ? load(tx, [...new Set(ids)]) : new Map();
  }
}
