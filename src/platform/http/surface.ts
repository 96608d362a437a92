import type { FastifyRequest } from 'fastify';
import type { Actor } from './actor.js';
import type { Problem } from './problem.js';

/** Finds out who sends a request. */
export interface Authenticator {
  /**
   * Whether a browser adds the credentials to whatever request a page makes, as it does with a password that it
   * remembers. What a page of another origin sends is then refused (`demandOwnPage`).
   */
  readonly isSentUnasked?: true;
  /**
   * Throws Problem `unauthenticated` for missing or invalid credentials. Only with `mayBeKept` it may give a kept actor
   * (`Actor.kept`).
   */
  actorOf(request: FastifyRequest, mayBeKept?: boolean): Promise<Actor>;
}

/** An error as it is sent. `headers` include `content-type`. */
export interface ErrorAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string | Buffer;
}

/** What an error answer names beside the problem itself. */
export interface ErrorContext {
  /** PUBLIC_URL, without a slash at the end. */
  publicUrl: string;
  /** A UUID, as in the log. */
  requestId: string;
  /** Of the request, in capitals. */
  method: string;
}

/**
 * One protocol that the program speaks over HTTP, as one value: the paths that belong to it, how it reads bodies, who
 * may ask, and how it renders errors. `Surfaces` applies it to every route whose path begins with the prefix, and to
 * requests that match no route.
 */
export interface Surface {
  /** A path without a slash at the end, `/` alone excepted. A path belongs to the surface with the longest prefix. */
  prefix: string;
  /** Parser by media type, in lower case. Any other type is refused with 415; an empty object accepts no body. */
  parsers: Readonly<Record<string, (body: Buffer) => unknown>>;
  /** A longer body is refused with 413, by its announced length before it is read. */
  maxBodyBytes: number;
  /** The injection token of the Authenticator; null where every route is public. */
  authenticator: symbol | null;
  renderError(problem: Problem, context: ErrorContext): ErrorAnswer;
  /** Headers of every answer that the handler has not set itself. */
  headers: Readonly<Record<string, string>>;
  /**
   * `clients`: where the API is. `monitoring`: in a worker too, and with METRICS_LISTEN at that address alone.
   * `everyone`: at every address.
   */
  audience: 'clients' | 'monitoring' | 'everyone';
  /** Whether each client address may send only so many requests (PKI_REQUESTS_PER_SECOND). */
  limitsAddresses?: true;
  /** Whether a slash at the end of a path means nothing. Without it, such a path is another one. */
  ignoresTrailingSlash?: true;
  /** The injection token of an EarlyResponder, which answers most requests before the framework handles them. */
  early?: symbol;
  /** Level of the log line that each request leaves. */
  logLevel: 'info' | 'debug';
}
