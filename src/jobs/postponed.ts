/**
 * Thrown by a handler that cannot work now and did nothing, for example because another holds a lease. The run does not
 * count as an attempt, and the next one begins after `afterS` seconds.
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
