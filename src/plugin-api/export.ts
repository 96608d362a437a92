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
  /** What the names of the files begin with: the certificate's name in a download, its common name in a delivery. */
  stem: string;
}

/** `mode` is a Unix file mode: 0o600 for a file that holds a key, 0o644 for one that everybody may read. */
export interface ExportedFile {
  name: string;
  bytes: Buffer;
  mode: number;
}

export interface Exported {
  /** In the order of `fileNames`, and with these names. */
  files: readonly ExportedFile[];
  /** The password that opens the files, given or generated. */
  passphrase?: string;
  /** File extension without the dot, as Lemur's clients expect it. */
  extension: string;
}

export interface ExportPlugin<S extends OptionSchema> extends Plugin<'export', S> {
  readonly needsPrivateKey: boolean;
  /**
   * The names of the files for a stem that is safe in file names. The first is the main file: it begins with the
   * certificate where its format allows. A name may have one folder, the same for all files: `stem/cert.pem`. Pure.
   */
  fileNames(stem: string, options: Options<S>): readonly [string, ...string[]];
  /** True when an export with these options makes up a passphrase, which nobody would learn at a destination. Pure. */
  generatesPassphrase?(options: Options<S>): boolean;
  /** Encodes the bundle. Touches no file and no network. `misconfigured`: the bundle or the options do not allow it. */
  export(request: ExportRequest, options: Options<S>, ctx: PluginContext): Promise<Exported>;
}

/** An identity function: it exists so that the options' type is inferred in the plugin's methods. */
export function defineExport<S extends OptionSchema>(plugin: Omit<ExportPlugin<S>, 'kind'>): ExportPlugin<S> {
  return { ...plugin, kind: 'export' };
}
