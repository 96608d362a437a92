/**
 * A signal that is aborted with the others, or after `ms` with a TimeoutError. It is held by its timer: Node.js 20 may
 * collect a signal of `AbortSignal.timeout` before it is aborted, when only `AbortSignal.any` refers to it.
 */
export function limitedTo(ms: number, ...others: readonly AbortSignal[]): AbortSignal {
  const limit = new AbortController();
  const end = (): void => limit.abort(new DOMException('The time is over.', 'TimeoutError'));
  setTimeout(end, ms).unref();
  return AbortSignal.any([...others, limit.signal]);
}
