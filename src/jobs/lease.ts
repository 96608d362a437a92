import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { Database, type Tx } from '../platform/db/database.js';
import { leaseTime, movedLease } from './lease-time.js';

/** SQL: whether somebody holds the lease of this name, which is SQL, too. */
export const isHeld = (name: string): string =>
  `exists (select from lease where lease.name = ${name} and until > ${leaseTime})`;

/** Named leases in the database, for work that only one of several processes may do at a time. */
@Injectable()
export class Leases {
  private readonly log = new Logger('Leases');

  constructor(private readonly db: Database) {}

  /**
   * Does `work` while holding the lease and returns true. Returns false at once when another process holds the lease.
   * The lease is renewed every third of `ttlS`. `work` gets a signal that is aborted when the lease is lost. Throws
   * what `work` throws.
   */
  async withLease(name: string, ttlS: number, work: (lost: AbortSignal) => Promise<void>): Promise<boolean> {
    const holder = randomUUID();
    let heldAtMs = performance.now();
    if (!(await this.take(name, holder, ttlS))) return false;
    const lost = new AbortController();
    const renew = async (): Promise<void> => {
      const beganAtMs = performance.now();
      const held = await this.extend(name, holder, ttlS);
      if (held === true) heldAtMs = beganAtMs;
      const lapsed = performance.now() - heldAtMs > ttlS * 1000;
      if (held === false || lapsed) lost.abort(new Error(`The lease ${name} was lost.`));
    };
    const timer = setInterval(() => void renew(), (ttlS * 1000) / 3);
    try {
      await work(lost.signal);
    } finally {
      clearInterval(timer);
      await this.db.single.query('delete from lease where name = $1 and holder = $2', [name, holder]);
    }
    return true;
  }

  /** Moves the end of every lease by these seconds, as the clock was. */
  async move(tx: Tx, bySeconds: number): Promise<void> {
    await tx.query(`update lease set until = ${movedLease('until')}`, [bySeconds]);
  }

  private async take(name: string, holder: string, ttlS: number): Promise<boolean> {
    const taken = await this.db.single.query<unknown[]>(
      `insert into lease (name, holder, until) values ($1, $2, now() + $3::float8 * interval '1 second')
       on conflict (name) do update set holder = excluded.holder, until = excluded.until
         where lease.until <= ${leaseTime}
       returning name`,
      [name, holder, ttlS],
    );
    return taken.length === 1;
  }

  /** Undefined when the database did not answer. */
  private async extend(name: string, holder: string, ttlS: number): Promise<boolean | undefined> {
    try {
      const extended = await this.db.single.query<unknown[]>(
        `with extended as (
           update lease set until = now() + $3::float8 * interval '1 second' where name = $1 and holder = $2
             returning name)
         select name from extended`,
        [name, holder, ttlS],
      );
      return extended.length === 1;
    } catch (error) {
      this.log.error(`The lease ${name} could not be renewed.`, error);
      return undefined;
    }
  }
}
