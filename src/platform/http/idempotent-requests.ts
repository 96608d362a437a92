import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../clock.js';
import { Database, type Tx } from '../db/database.js';
import { KeyRing } from '../secrets/key-ring.js';
import { IdempotentRequest } from './idempotent-request.entity.js';
import { Problem } from './problem.js';

/** Who sends a request, its Idempotency-Key, and a text that differs for every other request. */
export interface MarkedRequest {
  userId: number;
  key: string;
  content: string;
}

/** An answer to keep: its HTTP status, and its body as a JSON value. */
export interface KeptAnswer {
  status: number;
  body: unknown;
}

/** A longer answer is not kept: a repeated request is then refused. */
const longestAnswer = 262_144;

/** Every query on requests with an Idempotency-Key. */
@Injectable()
export class IdempotentRequests {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly keyRing: KeyRing,
  ) {}

  /**
   * The answer to an earlier request with this key; null when there was none. Throws Problem `conflict` when that
   * request was another one, or when its answer is not known.
   */
  async answered({ userId, key, content }: MarkedRequest): Promise<KeptAnswer | null> {
    const known = await this.db.single.findOneBy(IdempotentRequest, { userId, key });
    if (!known) return null;
    const { secretId, status, sealedRequest, sealedAnswer } = known;
    if (!timingSafeEqual(this.keyRing.open(sealedRequest, placeOf('request', secretId)), digest(content)))
      throw new Problem('conflict', 'This Idempotency-Key came with another request before.');
    if (status === null)
      throw new Problem(
        'conflict',
        'A request with this Idempotency-Key was begun before, and its answer is not known here: look at what it made.',
      );
    if (sealedAnswer === null)
      throw new Problem(
        'conflict',
        'This request was answered before, with a secret or at a length that is not kept: look at what it made.',
      );
    return { status, body: JSON.parse(this.keyRing.open(sealedAnswer, placeOf('answer', secretId)).toString()) };
  }

  /** Records in `tx` that the request is done. Throws Problem `conflict` when another one has the key. */
  async claim(tx: Tx, { userId, key, content }: MarkedRequest): Promise<void> {
    const secretId = randomUUID();
    const sealed = this.keyRing.seal(digest(content), placeOf('request', secretId));
    const rows: unknown[] = await tx.query(
      `insert into idempotent_request (secret_id, user_id, key, sealed_request, created_at) values ($1, $2, $3, $4, $5)
       on conflict (user_id, key) do nothing returning id`,
      [secretId, userId, key, sealed.bytes, this.clock.now()],
    );
    if (rows.length === 0)
      throw new Problem('conflict', 'A request with this Idempotency-Key is being answered: repeat it later.');
  }

  /** Keeps the answer of a request that `claim` has recorded; only its status when it `hasSecret`. */
  async settle({ userId, key }: MarkedRequest, { status, body }: KeptAnswer, hasSecret = false): Promise<void> {
    const row = await this.db.single.findOneByOrFail(IdempotentRequest, { userId, key });
    const text = JSON.stringify(body ?? null);
    const sealedAnswer =
      hasSecret || text.length > longestAnswer ? null : this.keyRing.seal(text, placeOf('answer', row.secretId));
    await this.db.single.update(IdempotentRequest, { id: row.id }, { status, sealedAnswer });
  }

  /** Forgets a request that was refused, so that it can be repeated with its key. */
  async forget({ userId, key }: MarkedRequest): Promise<void> {
    await this.db.single.delete(IdempotentRequest, { userId, key });
  }

  /** Deletes at most `most` requests that are older than `before`. Returns how many. */
  async prune(before: Date, most: number): Promise<number> {
    const [, count]: [unknown, number] = await this.db.single.query(
      `delete from idempotent_request where id in (
         select id from idempotent_request where created_at < $1 order by created_at limit $2)`,
      [before, most],
    );
    return count;
  }
}

function placeOf(column: 'request' | 'answer', secretId: string): string {
  return `idempotent_request.sealed_${column}.${secretId}`;
}

function digest(content: string): Buffer {
  return createHash('sha256').update(content).digest();
}
