import type { Agent, IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

/**
 * What the operator of this installation lets plugins use. Plugins open no connection and start no program otherwise.
 */
export interface Site {
  /**
   * Hands one mail to the configured server, or keeps it in the database when none is configured. Throws PluginError.
   */
  sendMail(mail: OutgoingMail): Promise<void>;
  /** Runs a command that the operator allowed under this name (`RELOAD_COMMANDS`). Throws PluginError. */
  runCommand(name: string, signal: AbortSignal): Promise<void>;
  /**
   * The way out to a URL that a user, a certificate or a CA named. Refuses private, loopback and link-local targets
   * unless the operator allowed them, also behind a redirect; goes through the operator's proxy; ends with the call's
   * `signal`. Redirects never lead from https to http, and to another origin they take neither the client certificate,
   * nor a body, nor any header that may be a credential. Any status is an answer. Throws PluginError: `misconfigured`
   * for a forbidden address or unusable certificates, `refused` for an endless redirect or an oversized answer,
   * `unavailable` otherwise; its text names the host alone.
   */
  fetch(url: URL | string, request?: FetchRequest): Promise<FetchResponse>;
  /**
   * The token that the operator keeps in a file for exactly this address (`SERVICE_FILES`), as it is now; null when
   * there is none. It may go nowhere else. Throws PluginError.
   */
  tokenFor(address: string): Promise<string | null>;
  /** An agent under the same rules, for an SDK that brings its own HTTP client. Everything else uses `fetch`. */
  agentFor(url: URL): Agent;
  /**
   * A TCP connection to a host that a user named, under the same rule for addresses and past every proxy. The caller
   * closes it. Throws PluginError.
   */
  connect(host: string, port: number, signal: AbortSignal): Promise<Socket>;
  /** Absolute folders that no plugin may write to (the program's own data). */
  readonly protectedPaths: readonly string[];
  /** Absolute folders in and below which plugins may work with files of this machine; absent: in all of them. */
  readonly allowedRoots?: readonly string[];
}

/** One mail. `dedupeKey` becomes the Message-ID, so that a retry is recognisable as the same mail. */
export interface OutgoingMail {
  to: readonly string[];
  subject: string;
  text: string;
  html?: string;
  dedupeKey: string;
}

/**
 * One request. The whole exchange, redirects included, ends within `timeoutMs` (10,000) and `maxBytes` of body (1
 * MiB).
 */
export interface FetchRequest {
  /** GET unless given. */
  method?: string;
  headers?: Readonly<Record<string, string>>;
  body?: Buffer | string;
  /** PEM certificates of CAs that are trusted in place of the public roots. */
  ca?: string;
  /** PEM, leaf first. Given together with `clientKey`. */
  clientCert?: string;
  /** PEM, unencrypted. */
  clientKey?: string;
  /** A client certificate with its key, in place of the PEM. OpenSSL 3 reads no RC2 in it. */
  clientPkcs12?: { der: Buffer; passphrase: string };
  maxBytes?: number;
  timeoutMs?: number;
}

/** `url` is where the answer came from, after redirects. */
export interface FetchResponse {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  url: URL;
}
