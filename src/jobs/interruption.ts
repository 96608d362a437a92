/** Why a run's signal was aborted. */
export class Interruption extends Error {
  override name = 'Interruption';

  constructor(
    readonly by: 'timeout' | 'lease' | 'shutdown',
    message: string,
  ) {
    super(message);
  }
}

/** True when the run took longer than its job permits. */
export function isTimeout(signal: AbortSignal): boolean {
  return signal.aborted && signal.reason instanceof Interruption && signal.reason.by === 'timeout';
}

/**
 * True when another run will do the work, here after a restart or in another process: this one has nothing to record.
 */
export function isHandedOn(signal: AbortSignal): boolean {
  return signal.aborted && signal.reason instanceof Interruption && signal.reason.by !== 'timeout';
}
