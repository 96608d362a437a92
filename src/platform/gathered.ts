import { setImmediate as turn } from 'node:timers/promises';

/** More than that many are not done at once: a batch should not take long. */
const most = 64;

interface Waiting<In, Out> {
  input: In;
  resolve: (answer: Out) => void;
  reject: (error: unknown) => void;
}

/**
 * Does what comes in while it is at work together, in the next go: under load many requests share a round trip and a
 * commit, and without load none waits. Each go begins after all of its inputs have come, so nobody is given an answer
 * from before.
 */
export class Gathered<In, Out> {
  private waiting: Waiting<In, Out>[] = [];
  private busy = false;

  /** `work` answers in the order of its inputs. When it throws, nothing of that go may have been done. */
  constructor(private readonly work: (inputs: readonly In[]) => Promise<readonly Out[]>) {}

  /**
   * What becomes of one input. It throws for its own fault alone: a go that fails is repeated with each input by
   * itself.
   */
  run(input: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ input, resolve, reject });
      if (!this.busy) void this.drain();
    });
  }

  private async drain(): Promise<void> {
    this.busy = true;
    while (this.waiting.length > 0) {
      await turn();
      await this.go(this.waiting.splice(0, most));
    }
    this.busy = false;
  }

  private async go(batch: readonly Waiting<In, Out>[]): Promise<void> {
    try {
      const answers = await this.work(batch.map(({ input }) => input));
      batch.forEach(({ resolve }, i) => resolve(answers[i] as Out));
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error);
      else for (const one of batch) await this.go([one]);
    }
  }
}
