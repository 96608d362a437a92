import { z } from 'zod';
import type { Options, OptionSchema } from './options.js';
import type { Plugin, PluginContext } from './plugin.js';

/**
 * A certificate that was found. `chainPem` is leaf first, then possible issuers in any order; nothing of it has been
 * checked. `location` is unique within the source and stays the same from scan to scan.
 */
export interface FoundCertificate {
  kind: 'certificate';
  chainPem: readonly string[];
  location: string;
  /** Its id in the other system. */
  externalId?: string;
  /** E-mail address of the owner that the place names. */
  owner?: string;
  /** PEM, unencrypted. Only when an option says that private keys are taken too. */
  privateKeyPem?: string;
  /**
   * True when a public log shows that it was issued, and not a place that uses it. It may be a precertificate (RFC 6962
   * §3.1). It is known when a certificate here has its serial number and key; otherwise its owner is told, since
   * nobody asked for it here. Nobody is warned before it expires.
   */
  logged?: true;
}

/**
 * A place that serves a certificate to clients. `externalId` and `port` together are unique within the source.
 */
export interface FoundEndpoint {
  kind: 'endpoint';
  externalId: string;
  port: number;
  name: string;
  dnsName: string;
  /** Its type, e.g. `tls` or `elb`. */
  type: string;
  aliases: readonly string[];
  /** The chain that it serves, as in FoundCertificate; empty when that cannot be seen. */
  chainPem: readonly string[];
  /** The negotiated version and cipher suite in OpenSSL's names: `TLSv1.3`, `TLS_AES_256_GCM_SHA384`. */
  protocol: string | null;
  cipher: string | null;
  policy: { name: string; ciphers: readonly EndpointCipher[] };
}

/** A protocol version or cipher suite that an endpoint accepts. */
export interface EndpointCipher {
  name: string;
  deprecated: boolean;
}

/**
 * What of a source could not be read; the scan goes on. Nothing is concluded about certificates whose location, and
 * endpoints whose `externalId`, is there. `location` ends with `/` or `:` when it is a part with all that begins so.
 * Otherwise it is one thing, with what is `location#n` or `location (…)`, as others in the same file or server.
 */
export interface FoundTrouble {
  kind: 'trouble';
  location: string;
  detail: string;
  /** True when the server at `location` was asked and showed no certificate: it counts as not found. */
  unanswered?: boolean;
  /**
   * Given when this part also reports, as `user thing`, what uses the things in it: those endpoints are unread too,
   * unless their `externalId` begins with one of these, which other parts report.
   */
  usersExcept?: readonly string[];
}

/**
 * How far a source that reports only what is new has come: everything before it has been reported. It is stored with
 * the reports before it, so that after a crash none is lost. At most 100,000 characters, whose form is the plugin's.
 */
export interface FoundPosition {
  kind: 'position';
  position: string;
}

export type Found = FoundCertificate | FoundEndpoint | FoundTrouble;

/** One report of a scan. */
export type Report = Found | FoundPosition;

/** A certificate as a source found it earlier. `sha256` is its fingerprint, hex. */
export interface FoundRef {
  location: string;
  sha256: string;
}

/**
 * A list of places in one of the options, to which people add the lines of a table (a CSV file). Keeps the core from
 * knowing the options by name.
 */
export interface TargetList<R extends z.ZodObject = z.ZodObject> {
  /** The name of the option, which is a list of texts. */
  option: string;
  /**
   * One line: its members are the columns, each with a title and a description, and required where the column is. A
   * cell comes as its text; an empty one is absent.
   */
  row: R;
  /** The entries with those targets that they lack, each once, at the end. Pure; the options are checked afterwards. */
  add(entries: readonly string[], rows: readonly z.output<R>[]): string[];
}

export interface SourcePlugin<S extends OptionSchema> extends Plugin<'source', S> {
  /**
   * `present` (default): a scan reports everything that is there now, so that what two complete scans in a row do not
   * report is stale. `news`: it reports only what came since the last position, and nothing becomes stale.
   */
  reports?: 'present' | 'news';
  /** Where an option lists what is scanned. */
  targets?: TargetList;
  /**
   * Everything that is there now, in any order; with `news`, what came after the position `from`, which is the last one
   * that it reported with whatever options, and null at first. Throws PluginError when it cannot be seen as a whole.
   */
  scan(options: Options<S>, ctx: PluginContext, from: string | null): AsyncIterable<Report>;
  /**
   * Removes exactly this certificate. Idempotent: absent is done. `refused` when another certificate is at the location
   * by now.
   */
  remove?(found: FoundRef, options: Options<S>, ctx: PluginContext): Promise<void>;
}

/** An identity function: it exists so that the options' type is inferred in the plugin's methods. */
export function defineSource<S extends OptionSchema>(plugin: Omit<SourcePlugin<S>, 'kind'>): SourcePlugin<S> {
  return { ...plugin, kind: 'source' };
}

/** The option by which every source says how often it is scanned. */
export const pollRateOption = z.int().min(1).max(44_640).default(60).meta({
  title: 'Poll rate',
  description: 'Minutes from the end of one scan to the start of the next.',
});
