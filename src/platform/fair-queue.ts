import { Problem } from './http/problem.js';

/** Limits of a queue: how many run at once, and how many requests of users may wait, in total and per user. */
export interface QueueLimits {
  atOnce: number;
  mostWaiting: number;
  mostWaitingOfUser: number;
}

interface Waiting {
  userId: number;
  start: () => void;
}

const retryAfterS = 30;

/**
 * Runs a few pieces of work at once. The others wait in two lines: one for users, which is bounded, and one for the
 * program. While both wait, neither gets every free place, so that many requests cannot delay the program's own work,
 * nor the reverse.
 */
export class FairQueue {
  private readonly people: Waiting[] = [];
  private readonly program: Waiting[] = [];
  private readonly running = { people: 0, program: 0 };

  constructor(private readonly limits: QueueLimits) {}

  /**
   * `userId` is 0 for the program itself. Throws Problem `unavailable` when too many wait already, and whatever `work`
   * throws.
   */
  async run<T>(userId: number, work: () => Promise<T>): Promise<T> {
    const line = userId === 0 ? 'program' : 'people';
    if (this.running.people + this.running.program >= this.limits.atOnce) {
      if (line === 'people') this.demandRoom(userId);
      await new Promise<void>((start) => this[line].push({ userId, start }));
    } else this.running[line] += 1;
    try {
      return await work();
    } finally {
      this.running[line] -= 1;
      this.startNext();
    }
  }

  private demandRoom(userId: number): void {
    const { mostWaiting, mostWaitingOfUser } = this.limits;
    const own = this.people.filter((one) => one.userId === userId).length;
    if (own >= mostWaitingOfUser)
      throw new Problem('unavailable', `${own} of your requests for such keys wait already.`, { retryAfterS });
    if (this.people.length >= mostWaiting)
      throw new Problem('unavailable', 'Too many requests for such keys wait already.', { retryAfterS });
  }

  private startNext(): void {
    const preferred =
      this.running.program <= this.running.people ? (['program', 'people'] as const) : (['people', 'program'] as const);
    const line = preferred.find((name) => this[name].length > 0);
    if (!line) return;
    this.running[line] += 1;
    this[line].shift()?.start();
  }
}
