import { asMisconfigured } from './errors.js';
import { HttpFailure } from './json-client.js';

/** What a service gave for credentials. `refresh` gets the next one without them, where the service offers that. */
export interface Token {
  value: string;
  expiresAt: Date;
  refresh?: string;
}

/** One use of a token. `key` is a digest of address and credentials: whoever has the same ones shares the token. */
export interface TokenUse<T> {
  key: string;
  now: Date;
  /**
   * Gets a token; `lapsed` is the one before, which is not accepted any more or soon will not be. What it throws as
   * `refused` is `misconfigured` to the caller.
   */
  signIn: (lapsed?: Token) => Promise<Token>;
  work: (token: string) => Promise<T>;
}

const mostTokens = 256;
/** A token that ends within this time is not used: the request would arrive with one that is over. */
const marginMs = 60_000;

/**
 * Tokens that services gave, in memory alone. They follow from the options: a call that finds none signs in, and
 * behaves the same.
 */
export class TokenCache {
  private readonly tokens = new Map<string, Token>();

  /** `lapsed`: the status with which the service answers a token that it does not accept. */
  constructor(private readonly lapsed: number) {}

  /** Runs `work` with a token; once more with a new one when the service does not accept a token from the cache. */
  async use<T>({ key, now, signIn, work }: TokenUse<T>): Promise<T> {
    const known = this.tokens.get(key);
    const isFresh = known !== undefined && known.expiresAt.getTime() - marginMs > now.getTime();
    if (!isFresh) return work(await this.renewed(key, known, signIn));
    try {
      return await work(known.value);
    } catch (error) {
      if (!(error instanceof HttpFailure && error.answer.status === this.lapsed)) throw error;
      return work(await this.renewed(key, known, signIn));
    }
  }

  private async renewed(key: string, known: Token | undefined, signIn: TokenUse<unknown>['signIn']): Promise<string> {
    this.tokens.delete(key);
    const token = await signIn(known).catch(asMisconfigured);
    const [oldest] = this.tokens.keys();
    if (oldest !== undefined && this.tokens.size >= mostTokens) this.tokens.delete(oldest);
    this.tokens.set(key, token);
    return token.value;
  }
}
