import { describe, expect, it } from 'vitest';
import { settledOrGivenUp } from './given-up.js';

const never = new Promise<void>(() => undefined);

describe('work that may be given up', () => {
  it('is waited for, and its error passed on', async () => {
    const { signal } = new AbortController();
    await settledOrGivenUp(Promise.resolve(), signal, 0);
    await expect(settledOrGivenUp(Promise.reject(new Error('bad day')), signal, 0)).rejects.toThrow('bad day');
  });

  it('is given up for the reason of the abort when it does not listen', async () => {
    const abort = new AbortController();
    const waiting = settledOrGivenUp(never, abort.signal, 1);
    abort.abort(new Error('time is up'));
    await expect(waiting).rejects.toThrow('time is up');
    await expect(settledOrGivenUp(never, AbortSignal.abort(new Error('too late')), 1)).rejects.toThrow('too late');
  });

  it('counts when it ends within the grace period', async () => {
    const abort = new AbortController();
    const listening = new Promise<void>((resolve) =>
      abort.signal.addEventListener('abort', () => setTimeout(resolve, 1)),
    );
    const waiting = settledOrGivenUp(listening, abort.signal, 60_000);
    abort.abort();
    await waiting;
  });
});
