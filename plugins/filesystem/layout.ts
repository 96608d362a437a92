import { basename, dirname, join } from 'node:path';
import { fileStem, hashedStem } from '../../src/pki/file-stem.js';
import { pemText } from '../../src/pki/pem.js';
import type { Bundle } from '../../src/plugin-api/export.js';

/** The file layouts of a bundle. */
export const LAYOUTS = ['directory', 'combined', 'nginx', 'apache'] as const;
export type Layout = (typeof LAYOUTS)[number];

/** One file of a bundle as readers see it. `holdsKey` selects its mode. */
export interface PlannedFile {
  name: string;
  text: string;
  holdsKey: boolean;
}

/** Absolute path of the bundle below `folder`: its own folder, or the file with the certificate. */
export function mainPath(layout: Layout, folder: string, commonName: string): string {
  const stem = stemFor(layout, commonName);
  switch (layout) {
    case 'directory':
      return join(folder, stem);
    case 'combined':
    case 'nginx':
      return join(folder, `${stem}.pem`);
    case 'apache':
      return join(folder, `${stem}.crt`);
  }
}

/** The certificate of `a.ca-bundle` would have the path of the chain of `a`. */
function stemFor(layout: Layout, commonName: string): string {
  const stem = fileStem(commonName);
  return layout === 'apache' && stem.endsWith('.ca-bundle') ? hashedStem(stem, commonName) : stem;
}

/** Where the versions of `location` are stored: the folder itself, or a hidden one beside the file. */
export function storePath(layout: Layout, location: string): string {
  return layout === 'directory' ? location : join(dirname(location), `.${basename(location)}.d`);
}

/** The name of the file whose first certificate is the leaf. */
export function certificateFile(layout: Layout, location: string): string {
  return layout === 'directory' ? 'cert.pem' : basename(location);
}

/** The folder of the reader's files: inside the store for `directory`, else beside it. */
export function readersFolder(layout: Layout, location: string): string {
  return layout === 'directory' ? location : dirname(location);
}

/** The files of a bundle, files with the key first. `chainPem` of the bundle is leaf first. */
export function planFiles(layout: Layout, bundle: Bundle, privateKeyPem: string): PlannedFile[] {
  const stem = stemFor(layout, bundle.commonName);
  const key = pemText([privateKeyPem]);
  const leaf = pemText(bundle.chainPem.slice(0, 1));
  const chain = pemText(bundle.chainPem.slice(1));
  switch (layout) {
    case 'directory':
      return [
        secret('privkey.pem', key),
        open('chain.pem', chain),
        open('fullchain.pem', leaf + chain),
        open('cert.pem', leaf),
      ];
    case 'combined':
      return [secret(`${stem}.pem`, key + leaf + chain)];
    case 'nginx':
      return [secret(`${stem}.key`, key), open(`${stem}.pem`, leaf + chain)];
    case 'apache':
      return [secret(`${stem}.key`, key), open(`${stem}.ca-bundle.crt`, chain), open(`${stem}.crt`, leaf)];
  }
}

function secret(name: string, text: string): PlannedFile {
  return { name, text, holdsKey: true };
}

function open(name: string, text: string): PlannedFile {
  return { name, text, holdsKey: false };
}
