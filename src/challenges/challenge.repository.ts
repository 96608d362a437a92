import { Injectable } from '@nestjs/common';
import { MoreThan } from 'typeorm';
import type { Tx } from '../platform/db/database.js';
import type { ChallengeAnswer } from '../plugin-api/challenges.js';
import { Challenge } from './challenge.entity.js';

type NewChallenge = ChallengeAnswer & Pick<Challenge, 'place' | 'dnsProviderId' | 'removeAt' | 'createdAt'>;

/** Every query on challenges. */
@Injectable()
export class ChallengeRepository {
  find(tx: Tx, id: number): Promise<Challenge | null> {
    return tx.findOneBy(Challenge, { id });
  }

  /** The row of this answer, which now stays until `removeAt`; null when there is none. */
  async keep(tx: Tx, answer: ChallengeAnswer, removeAt: Date): Promise<Challenge | null> {
    const { type, domain, value } = answer;
    const { affected } = await tx.update(Challenge, { type, domain, value }, { removeAt });
    return affected ? tx.findOneBy(Challenge, { type, domain, value }) : null;
  }

  /** The row of this answer, whoever has added it. */
  async add(tx: Tx, given: NewChallenge): Promise<Challenge> {
    const { type, domain, value, place, dnsProviderId, removeAt, createdAt } = given;
    await tx.query(
      `insert into challenge (type, domain, value, place, dns_provider_id, remove_at, created_at)
       values ($1, $2, $3, $4, $5, $6, $7)
       on conflict (type, domain, value) do update set remove_at = excluded.remove_at`,
      [type, domain, value, place, dnsProviderId, removeAt, createdAt],
    );
    return tx.findOneByOrFail(Challenge, { type, domain, value });
  }

  async presented(tx: Tx, id: number, presentedAt: Date, recordRef: string | null): Promise<void> {
    await tx.update(Challenge, { id }, { presentedAt, recordRef, faultDetail: null });
  }

  /** Its id; null when there is none. */
  async endNow(tx: Tx, answer: ChallengeAnswer, now: Date): Promise<number | null> {
    const rows: [{ id: number }[], number] = await tx.query(
      'update challenge set remove_at = $4 where type = $1 and domain = $2 and value = $3 returning id',
      [answer.type, answer.domain, answer.value, now],
    );
    return rows[0][0]?.id ?? null;
  }

  /** What is published for an http-01 token; null when there is nothing. */
  async findHttp(tx: Tx, token: string): Promise<string | null> {
    const found = await tx.findOne(Challenge, { where: { type: 'http-01', place: token }, select: { value: true } });
    return found?.value ?? null;
  }

  /**
   * The answer to show for a server name in tls-alpn-01; null when there is none. Only one can be shown: the oldest,
   * until its CA has looked.
   */
  findTls(tx: Tx, serverName: string, now: Date): Promise<Challenge | null> {
    const where = { type: 'tls-alpn-01' as const, place: serverName, removeAt: MoreThan(now) };
    return tx.findOne(Challenge, { where, order: { id: 'ASC' } });
  }

  /**
   * Forgets a challenge whose answer has been removed. One that was presented again meanwhile stays, and is to be
   * published anew.
   */
  async removed(tx: Tx, { id, removeAt }: Challenge): Promise<void> {
    await tx.query(
      `with gone as (delete from challenge where id = $1 and remove_at = $2 returning id)
       update challenge set presented_at = null, record_ref = null where id = $1 and not exists (select from gone)`,
      [id, removeAt],
    );
  }

  async notRemoved(tx: Tx, { id, attempts }: Challenge, removeAt: Date, faultDetail: string): Promise<void> {
    await tx.update(Challenge, { id }, { attempts: attempts + 1, removeAt, faultDetail });
  }

  /** Those that are to be removed, at most 200. */
  async due(tx: Tx, now: Date): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      'select id from challenge where remove_at <= $1 order by remove_at limit 200',
      [now],
    );
    return rows.map(({ id }) => id);
  }
}
