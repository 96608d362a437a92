import { setImmediate as turn } from 'node:timers/promises';
import { sqlState } from './db/database.js';
import { problemOf } from './http/problem-of.js';

/** A larger batch would keep its first input waiting for too long. */
const largestBatch = 64;

interface Waiting<In, Out> {
  input: In;
  resolve: (answer: Out) => void;
  reject: (error: unknown) => void;
}

/**
 * Batches concurrent calls: inputs that arrive while all batches are at work form the next one. Under load many
 * requests share a round trip and a commit; without load none waits. A batch begins after its inputs have arrived, so
 * no caller gets an answer that was read before its call.
 */
export class Gathered<In, Out> {
  private waiting: Waiting<In, Out>[] = [];
  private busy = 0;

  /**
   * `work` answers in the order of its inputs. When it throws, it has done nothing for any of them. `most`: batches at
   * work at the same time.
   */
  constructor(
    private readonly work: (inputs: readonly In[]) => Promise<readonly Out[]>,
    private readonly most = 1,
  ) {}

  /**
   * The answer for one input. A batch that fails is halved until the faulty input is alone, and only that call throws.
   * When something is out of service, every call of the batch throws and nothing is repeated.
   */
  run(input: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ input, resolve, reject });
      if (this.busy < this.most) void this.drain();
    });
  }

  private async drain(): Promise<void> {
    this.busy += 1;
    while (this.waiting.length > 0) {
      await turn();
      const batch = this.waiting.splice(0, largestBatch);
      if (batch.length > 0) await this.answer(batch);
    }
    this.busy -= 1;
  }

  private async answer(batch: readonly Waiting<In, Out>[]): Promise<void> {
    try {
      const answers = await this.work(batch.map(({ input }) => input));
      batch.forEach(({ resolve }, i) => resolve(answers[i] as Out));
    } catch (error) {
      if (batch.length === 1 || isOutOfService(error)) {
        for (const { reject } of batch) reject(error);
        return;
      }
      const half = batch.length >> 1;
      await this.answer(batch.slice(0, half));
      await this.answer(batch.slice(half));
    }
  }
}

/** A conflict with another transaction (SQLSTATE class 40) is not: a smaller batch may get through. */
function isOutOfService(error: unknown): boolean {
  return problemOf(error).code === 'unavailable' && !sqlState(error)?.startsWith('40');
}
