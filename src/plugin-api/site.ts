import type { Agent } from 'node:http';
import type { Socket } from 'node:net';

/** What the operator of this installation lets plugins use. Plugins never open these by themselves. */
export interface Site {
  /**
   * Hands one mail to the configured server, or keeps it in the database when none is configured. Throws PluginError.
   */
  sendMail(mail: OutgoingMail): Promise<void>;
  /** Runs a command that the operator allowed under this name (`RELOAD_COMMANDS`). Throws PluginError. */
  runCommand(name: string, signal: AbortSignal): Promise<void>;
  /**
   * An agent for a URL that a user named: refuses private, loopback and link-local targets unless the operator allowed
   * them.
   */
  agentFor(url: URL): Agent;
  /**
   * A TCP connection to a host that a user named, under the same rule as `agentFor`; who gets it closes it. Throws
   * PluginError.
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
