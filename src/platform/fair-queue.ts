import { Problem } from './http/problem.js';

/** What a queue bears: how many work at once, and how many people's requests may wait, all together and of one user. */
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
 * Lets a few work at once, and the others wait in two lines: people, whose line is bounded, and the program itself.
 * While both lines wait neither gets all the places, so that no crowd of requests holds up what the program must do in
 * time, nor the reverse.
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
