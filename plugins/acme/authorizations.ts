import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ChallengeAnswer, Challenges, ChallengeType } from '../../src/plugin-api/challenges.js';
import type { Account } from './account.js';
import { read } from './acme.client.js';
import type { AcmeOptions } from './acme.options.js';
import { Identifier, type Order } from './order.js';
import { AcmeFailure, AcmeProblem, wordsOf } from './problem.js';

/** RFC 8555 §8. Types that no RFC knows have other members. */
const Challenge = z.looseObject({
  type: z.string(),
  url: z.string(),
  status: z.string().optional(),
  token: z.string().optional(),
  error: AcmeProblem.optional(),
});
type Challenge = z.output<typeof Challenge>;

/** RFC 8555 §7.1.4. */
const Authorization = z.object({
  identifier: Identifier,
  status: z.enum(['pending', 'valid', 'invalid', 'deactivated', 'expired', 'revoked']),
  challenges: z.array(Challenge),
  wildcard: z.boolean().optional(),
});
type Authorization = z.output<typeof Authorization>;

/** What is waited for, or why the order can never be fulfilled, for people. Neither: it is done. */
interface Progress {
  progress?: string | undefined;
  dead?: string | undefined;
}

const ours = ['dns-01', 'http-01', 'tls-alpn-01'] as const satisfies ChallengeType[];
const atOnce = 5;

/** Proves to a CA that the names of an order are ours. */
export class Authorizations {
  constructor(
    private readonly account: Account,
    private readonly options: AcmeOptions,
    private readonly challenges: Challenges,
  ) {}

  /**
   * Answers what is open, and removes answers that are no longer needed. Nothing is left to do when it says neither
   * what is waited for nor why the order is dead. Throws PluginError.
   */
  async advance(order: Order): Promise<Progress> {
    const all = await this.readAll(order);
    if (all.some(isDead)) return { dead: await this.withdrawAll(order) };
    for (const one of all.filter(({ status }) => status === 'valid')) await this.withdraw(one);
    const open = all.filter(({ status }) => status === 'pending');
    const each = await inTurns(open, (one) => this.answer(one));
    const [dead] = each.flatMap((one) => one.dead ?? []);
    if (dead !== undefined) {
      await this.withdrawAll(order);
      return { dead };
    }
    const [first, ...others] = each.flatMap(({ progress }) => progress ?? []);
    if (first === undefined || others.length === 0) return { progress: first };
    return { progress: `${first} ${others.length} more names wait.` };
  }

  /** Removes every answer of an order that has ended. What its authorizations say of the reason, if anything. */
  async withdrawAll(order: Order): Promise<string | undefined> {
    const all = await this.readAll(order);
    for (const one of all) await this.withdraw(one);
    const reasons = all.filter(isDead).map(reasonOf);
    return reasons.length > 0 ? reasons.slice(0, 3).join(' ') : undefined;
  }

  /** Ends authorizations that are open, so that the order can never be finalized (RFC 8555 §7.5.2). */
  async deactivate({ authorizations }: Order): Promise<void> {
    for (const url of authorizations) {
      const { status } = read(Authorization, await this.account.post(url));
      if (status === 'pending') await this.account.post(url, { status: 'deactivated' });
    }
  }

  private readAll({ authorizations }: Order): Promise<Authorization[]> {
    return inTurns(authorizations, async (url) => read(Authorization, await this.account.post(url)));
  }

  private async answer(authorization: Authorization): Promise<Progress> {
    const { identifier } = authorization;
    const chosen = await this.choose(authorization);
    if (typeof chosen === 'string') return { dead: chosen };
    const [challenge, answer] = chosen;
    const presented = await this.challenges.present(answer);
    const progress = `The CA checks ${identifier.value}.`;
    if (challenge.status === 'processing') return { progress };
    if (presented === 'published') return { progress: whyNotYet(answer) };
    try {
      await this.account.post(challenge.url, {});
    } catch (error) {
      // It was answered by a request whose response was lost: the authorization says how it ended.
      if (!(error instanceof AcmeFailure) || error.type !== 'malformed') throw error;
    }
    return { progress };
  }

  /** The challenge to answer, and how; in words why there is none. */
  private async choose({
    identifier,
    wildcard = false,
    challenges,
  }: Authorization): Promise<[Challenge, ChallengeAnswer] | string> {
    const wanted = this.options.challenge;
    for (const type of ours) {
      const challenge = challenges.find((one) => one.type === type && one.token !== undefined);
      const isFit = type === 'dns-01' ? identifier.type === 'dns' : !wildcard;
      const isWanted = wanted === 'auto' || wanted === type || wildcard;
      if (!challenge || !isFit || !isWanted) continue;
      const isOnly = wanted === type || wildcard;
      if (isOnly || (await this.challenges.canPresent(type, identifier.value)))
        return [challenge, this.answerTo(challenge, type, identifier)];
    }
    const offered = challenges.map(({ type }) => type).join(', ');
    return (
      `${identifier.value} cannot be proven by ${wanted === 'auto' ? ours.join(' or ') : wanted}: ` +
      `the CA offers ${offered || 'nothing'}${wildcard ? ' for the wildcard name' : ''}.`
    );
  }

  /** RFC 8555 §8.3 and §8.4, RFC 8737 §3. */
  private answerTo({ token = '' }: Challenge, type: ChallengeType, { value: domain }: Identifier): ChallengeAnswer {
    const keyAuthorization = `${token}.${this.account.thumbprint}`;
    const value =
      type === 'http-01' ? keyAuthorization : createHash('sha256').update(keyAuthorization).digest('base64url');
    return { type, domain, value };
  }

  private async withdraw({ identifier, challenges }: Authorization): Promise<void> {
    for (const type of ours)
      for (const challenge of challenges)
        if (challenge.type === type) await this.challenges.withdraw(this.answerTo(challenge, type, identifier));
  }
}

function whyNotYet({ type, domain }: ChallengeAnswer): string {
  return type === 'tls-alpn-01'
    ? `Another order proves ${domain} by tls-alpn-01 first.`
    : `The TXT record for ${domain} is not at every name server yet.`;
}

function isDead({ status }: Authorization): boolean {
  return status !== 'pending' && status !== 'valid';
}

function reasonOf({ identifier, status, challenges }: Authorization): string {
  const error = challenges.find((challenge) => challenge.error)?.error;
  return `${identifier.value} was not proven: ${error ? wordsOf(error) : `the authorization is ${status}.`}`;
}

/** A few at a time: an order may have a hundred authorizations. */
async function inTurns<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let at = 0; at < all.length; at += atOnce)
    done.push(...(await Promise.all(all.slice(at, at + atOnce).map(work))));
  return done;
}
