import type { Options, OptionSchema } from './options.js';
import type { Plugin, PluginContext } from './plugin.js';

/**
 * A certificate as exports and destinations get it. `chainPem` is leaf first. The key is there only for plugins that
 * declare `needsPrivateKey`.
 */
export interface Bundle {
  /** The certificate's unique name. */
  name: string;
  /** Common name, or the first SAN: what a person calls it; stays the same over rotations. */
  commonName: string;
  serialHex: string;
  chainPem: readonly string[];
  /** The root above the chain where it is known and not in it. A trust store is useless without it. */
  rootPem?: string;
  /** PKCS#8 PEM, unencrypted. */
  privateKeyPem?: string;
}

export interface ExportRequest {
  bundle: Bundle;
}

/** `mode` is a Unix file mode, e.g. 0o600. */
export interface ExportedFile {
  name: string;
  bytes: Buffer;
  mode: number;
}

export interface Exported {
  files: readonly ExportedFile[];
  /** The password that opens the files, given or generated. */
  passphrase?: string;
  /** File extension without the dot, as Lemur's clients expect it. */
  extension: string;
}

export interface ExportPlugin<S extends OptionSchema> extends Plugin<'export', S> {
  readonly needsPrivateKey: boolean;
  /** Encodes the bundle. Touches no file and no network. `misconfigured`: the bundle or the options do not allow it. */
  export(request: ExportRequest, options: Options<S>, ctx: PluginContext): Promise<Exported>;
}

/** An identity function: it exists so that the options' type is inferred in the plugin's methods. */
export function defineExport<S extends OptionSchema>(plugin: Omit<ExportPlugin<S>, 'kind'>): ExportPlugin<S> {
  return { ...plugin, kind: 'export' };
}
