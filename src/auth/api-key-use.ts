import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import type { KeyInUse } from './api-key.entity.js';
import { ApiKeyRepository } from './api-key.repository.js';

const everyMs = 60_000;

/** Records the last use of API keys, at most once a minute per key. The request does not wait for the write. */
@Injectable()
export class ApiKeyUse implements BeforeApplicationShutdown {
  private readonly log = new Logger('ApiKeyUse');
  private readonly writing = new Map<number, Promise<void>>();

  constructor(
    private readonly db: Database,
    private readonly keys: ApiKeyRepository,
    private readonly clock: Clock,
  ) {}

  /** The key knows of the use from then on. */
  note(key: Pick<KeyInUse, 'id' | 'lastUsedAt'>): void {
    const { id, lastUsedAt } = key;
    const at = this.clock.now();
    const notSince = new Date(at.getTime() - everyMs);
    if (this.writing.has(id) || (lastUsedAt && lastUsedAt >= notSince)) return;
    key.lastUsedAt = at;
    const write = this.keys
      .noteUse(this.db.single, id, { at, notSince })
      .catch((error: unknown) => this.log.warn(`The last use of API key ${id} was not recorded.`, error))
      .finally(() => this.writing.delete(id));
    this.writing.set(id, write);
  }

  /** Waits for pending writes before the database closes. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.writing.values());
  }
}
