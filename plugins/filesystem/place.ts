import { basename, dirname, join, normalize } from 'node:path';

/**
 * Files that change together. `store` holds one hidden folder per version and the links `current` and `previous`;
 * `readers` is the folder whose files are links through `current`. One rename of `current` switches them all.
 */
export interface Place {
  readonly store: string;
  readonly readers: string;
}

/** Beside the files of each version: the certificate itself, since the files may be encrypted. No reader sees it. */
export const recordName = '.certificate.pem';

/** The absolute path of what the main file names below `folder`: its own folder, or the file. */
export function locationOf(folder: string, [main = '']: readonly string[]): string {
  const parent = dirname(main);
  return join(normalize(folder), parent === '.' ? main : parent);
}

/** Where the files of a location are when it is a folder of their own, and when it is the main file beside others. */
export const placesOf = {
  folder: (location: string): Place => ({ store: location, readers: location }),
  file: (location: string): Place => ({
    store: join(dirname(location), `.${basename(location)}.d`),
    readers: dirname(location),
  }),
} as const;
export type PlaceKind = keyof typeof placesOf;

/** Whether the files with these names have a folder of their own. */
export function kindOf([main = '']: readonly string[]): PlaceKind {
  return main.includes('/') ? 'folder' : 'file';
}

/** The file that holds the certificate in versions of before there was a record. */
export function certificateFile(kind: PlaceKind, location: string): string {
  return kind === 'folder' ? 'cert.pem' : basename(location);
}
