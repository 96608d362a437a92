import { describe, expect, it } from 'vitest';
import { withGracePeriod } from './grace-period.js';

const never = new Promise<void>(() => undefined);

describe('waiting with a grace period', () => {
  it('waits for the work and throws its error', async () => {
    const { signal } = new AbortController();
    await withGracePeriod(Promise.resolve(), signal, 0);
    await expect(withGracePeriod(Promise.reject(new Error('bad day')), signal, 0)).rejects.toThrow('bad day');
  });

  it('throws the reason of the abort when the work ignores the signal', async () => {
    const abort = new AbortController();
    const waiting = withGracePeriod(never, abort.signal, 1);
    abort.abort(new Error('time is up'));
    await expect(waiting).rejects.toThrow('time is up');
    await expect(withGracePeriod(never, AbortSignal.abort(new Error('too late')), 1)).rejects.toThrow('too late');
  });

  it('returns when the work ends within the grace period', async () => {
    const abort = new AbortController();
    const listening = new Promise<void>((resolve) =>
      abort.signal.addEventListener('abort', () => setTimeout(resolve, 1)),
    );
    const waiting = withGracePeriod(listening, abort.signal, 60_000);
    abort.abort();
    await waiting;
  });
});
