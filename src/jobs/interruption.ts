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

/** True when the run was aborted because it took longer than the timeout of its job. */
export function isTimeout(signal: AbortSignal): boolean {
  return signal.aborted && signal.reason instanceof Interruption && signal.reason.by === 'timeout';
}

/** True when another run does the work, after a restart or in another process: this run records nothing. */
export function isHandedOn(signal: AbortSignal): boolean {
  return signal.aborted && signal.reason instanceof Interruption && signal.reason.by !== 'timeout';
}
