import { Injectable } from '@nestjs/common';
import { fileStem } from '../pki/file-stem.js';
import { pairFault } from '../pki/key-pair.js';
import type { PluginOf } from '../plugin-api/any-plugin.js';
import { PluginError } from '../plugin-api/errors.js';
import type { Bundle, ExportedFile } from '../plugin-api/export.js';
import type { PluginContext } from '../plugin-api/plugin.js';
import { invalid } from '../platform/http/problem.js';
import { ConfiguredPlugins, type StoredPlugin } from '../platform/plugins/configured-plugin.js';
import type { PluginInput, PluginView } from '../platform/plugins/plugin.schema.js';
import { type Destination, exportTable } from './destination.entity.js';

/** The columns of a destination that say how its files are made. */
export type ExportColumns = Pick<Destination, 'exportPluginId' | 'exportOptions' | 'sealedExportOptions'>;

const none: ExportColumns = { exportPluginId: null, exportOptions: {}, sealedExportOptions: null };

/** The export step of destinations: which export plugin makes the files of a delivery, and with which options. */
@Injectable()
export class ExportSteps {
  constructor(private readonly configured: ConfiguredPlugins) {}

  /**
   * The columns for what `export` of a request asks: without it those of `before`, or the step that the destination's
   * plugin has by default. Throws Problem `invalid-request`.
   */
  seal(
    { files, title, needsPrivateKey }: PluginOf<'destination'>,
    asked: PluginInput | null | undefined,
    secretId: string,
    before?: Destination,
  ): ExportColumns {
    if (!files) {
      if (asked) throw invalid('export', `${title} takes no files: it has a form of its own.`);
      return none;
    }
    if (!asked && before && before.exportPluginId !== null) return columnsOf(stepOf(before));
    const input: PluginInput = asked ?? { id: files.pluginId, options: { ...files.options } };
    const plugin = this.configured.chosen('export', input, 'export');
    const old = before?.exportPluginId ? stepOf(before) : undefined;
    if (plugin.needsPrivateKey && !needsPrivateKey)
      throw invalid('export', `${title} gets no private keys, and ${plugin.title} holds one.`);
    const step = this.configured.seal(plugin, input, exportTable, old ?? emptyStep(secretId), 'export');
    if (plugin.generatesPassphrase?.(this.configured.open(plugin, step, exportTable)))
      throw invalid('export.options.passphrase', 'Required: nobody would learn one that is made up.');
    return columnsOf(step);
  }

  /** Null when the destination takes no files. */
  view({ exportPluginId, exportOptions }: ExportColumns): PluginView | null {
    if (exportPluginId === null) return null;
    return this.configured.view('export', { pluginId: exportPluginId, options: exportOptions });
  }

  /** Whether the step needs the private key; null when the destination takes no files, or the plugin is gone. */
  needsPrivateKey({ exportPluginId }: ExportColumns): boolean | null {
    return exportPluginId === null ? null : (this.configured.find('export', exportPluginId)?.needsPrivateKey ?? null);
  }

  /** The names of the files for a common name; none when the destination takes no files. Throws PluginError. */
  fileNames(destination: Destination, commonName: string): readonly string[] {
    const opened = this.open(destination);
    return opened ? opened.plugin.fileNames(fileStem(commonName), opened.options) : [];
  }

  /** The files of a delivery; none when the destination takes no files. Throws PluginError. */
  async files(destination: Destination, bundle: Bundle, ctx: PluginContext): Promise<readonly ExportedFile[]> {
    const opened = this.open(destination);
    if (!opened) return [];
    const { plugin, options } = opened;
    const fault = plugin.needsPrivateKey ? pairFault(bundle.chainPem[0], bundle.privateKeyPem) : null;
    if (fault !== null) throw new PluginError('refused', fault);
    return (await plugin.export({ bundle, stem: fileStem(bundle.commonName) }, options, ctx)).files;
  }

  private open(destination: Destination) {
    if (destination.exportPluginId === null) return null;
    const step = stepOf(destination);
    const plugin = this.configured.plugin('export', step.pluginId);
    return { plugin, options: this.configured.open(plugin, step, exportTable) };
  }
}

function stepOf({ exportPluginId, exportOptions, sealedExportOptions, secretId }: Destination): StoredPlugin {
  return { pluginId: exportPluginId ?? '', options: exportOptions, sealedOptions: sealedExportOptions, secretId };
}

function emptyStep(secretId: string): StoredPlugin {
  return { pluginId: '', options: {}, sealedOptions: null, secretId };
}

function columnsOf({ pluginId, options, sealedOptions }: StoredPlugin): ExportColumns {
  return { exportPluginId: pluginId, exportOptions: options, sealedExportOptions: sealedOptions };
}
