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
 * A part of a source that could not be read; the scan goes on. Nothing is concluded about certificates whose location
 * begins with `location`.
 */
export interface FoundTrouble {
  kind: 'trouble';
  location: string;
  detail: string;
}

export type Found = FoundCertificate | FoundEndpoint | FoundTrouble;

/** A certificate as a source found it earlier. `sha256` is its fingerprint, hex. */
export interface FoundRef {
  location: string;
  sha256: string;
}

export interface SourcePlugin<S extends OptionSchema> extends Plugin<'source', S> {
  /** Everything that is there now, in any order. Throws PluginError when it cannot be seen as a whole. */
  scan(options: Options<S>, ctx: PluginContext): AsyncIterable<Found>;
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
