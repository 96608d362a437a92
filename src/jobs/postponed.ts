/**
 * Thrown by a handler that did nothing because it cannot work now, for example because another run holds a lease. The
 * run does not count as an attempt, and the next run starts after `afterS` seconds.
 */
export class Postponed extends Error {
  override name = 'Postponed';

  constructor(
    message: string,
    readonly afterS: number,
  ) {
    super(message);
  }
}
