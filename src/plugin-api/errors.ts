/**
 * Who must act when a plugin fails.
 * - `misconfigured`: a person must change the options or the other system; not retried until someone does.
 * - `refused`: the other side understood and said no; asking again unchanged is pointless.
 * - `unavailable`: the other side cannot be reached or is busy; tried again later.
 */
export type PluginFault = 'misconfigured' | 'refused' | 'unavailable';

/**
 * The only error a plugin throws on purpose. `detail` is shown to users: it holds no secret and no PEM. `retryAfterS`
 * (seconds) is a hint for `unavailable`. Anything else that escapes from a plugin counts as a bug and is not shown.
 */
export class PluginError extends Error {
  /** Mail addresses, in lower case, that got a message although others did not. */
  readonly told: readonly string[];

  constructor(
    readonly fault: PluginFault,
    readonly detail: string,
    readonly retryAfterS?: number,
    { told = [], ...options }: ErrorOptions & { told?: readonly string[] } = {},
  ) {
    super(detail, options);
    this.name = 'PluginError';
    this.told = told;
  }
}

/**
 * Throws the error of a service that is only a means, for example of a sign-in or of a DNS provider. `refused` becomes
 * `misconfigured`: it says something of the credentials, and nothing of the request that needs them.
 */
export function asMisconfigured(error: unknown): never {
  if (!(error instanceof PluginError) || error.fault !== 'refused') throw error;
  throw new PluginError('misconfigured', error.detail, error.retryAfterS, { cause: error });
}
