/**
 * Waits for `work`; once `signal` is aborted at most `graceMs` longer, so that work that ignores the signal does not
 * keep its slot for ever. Throws what `work` throws, or the reason of the abort.
 */
export async function withGracePeriod(work: Promise<void>, signal: AbortSignal, graceMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let startTimer = (): void => undefined;
  const expired = new Promise<never>((_, reject) => {
    startTimer = () => {
      timer = setTimeout(() => reject(signal.reason as Error), graceMs);
    };
  });
  if (signal.aborted) startTimer();
  else signal.addEventListener('abort', startTimer);
  try {
    await Promise.race([work, expired]);
  } finally {
    signal.removeEventListener('abort', startTimer);
    clearTimeout(timer);
  }
}
