import { pemBundleExport } from '../../plugins/pem/pem-bundle.export.js';
import { pemFilesExport } from '../../plugins/pem/pem-files.export.js';
import { fileStem } from '../../src/pki/file-stem.js';
import type { DeliveryRequest } from '../../src/plugin-api/destination.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import { pluginContext } from './bundles.js';

/** The layouts of `pem-files`, and `combined`: the single file of `pem-bundle`. */
export const LAYOUTS = ['directory', 'combined', 'nginx', 'apache'] as const;
export type Layout = (typeof LAYOUTS)[number];

/** A delivery of the files that an export step makes of the bundle. */
export async function delivery(bundle: Bundle, layout: Layout = 'directory'): Promise<DeliveryRequest> {
  const [request, ctx] = [{ bundle, stem: fileStem(bundle.commonName) }, pluginContext()];
  const { files } =
    layout === 'combined'
      ? await pemBundleExport.export(request, { order: 'key-first' }, ctx)
      : await pemFilesExport.export(request, { layout }, ctx);
  return { bundle: { ...bundle, privateKeyPem: undefined }, files, round: '1.1' };
}

/** The names of these files. */
export function fileNames(commonName: string, layout: Layout = 'directory'): readonly string[] {
  const stem = fileStem(commonName);
  return layout === 'combined'
    ? pemBundleExport.fileNames(stem, { order: 'key-first' })
    : pemFilesExport.fileNames(stem, { layout });
}
