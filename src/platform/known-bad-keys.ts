import { readFileSync } from 'node:fs';
import { Injectable } from '@nestjs/common';
import { readBlocklist } from '../pki/key-blocklist.js';
import type { KeyList, KnownKeys } from '../pki/weak-keys.js';
import { Config } from './config.js';

/** The keys that settings say are known to be bad. Read when the program starts, which throws for an unfit file. */
@Injectable()
export class KnownBadKeys implements KnownKeys {
  readonly listed: KeyList;
  readonly blocklist: KnownKeys['blocklist'];

  constructor({ knownBadKeys, badkeysBlocklistPath }: Config) {
    this.listed = knownBadKeys;
    this.blocklist = badkeysBlocklistPath === undefined ? null : blocklistAt(badkeysBlocklistPath);
  }
}

function blocklistAt(path: string): KnownKeys['blocklist'] {
  try {
    return readBlocklist(readFileSync(path));
  } catch (error) {
    throw new Error(`BADKEYS_BLOCKLIST_PATH: ${path} ${reasonOf(error as NodeJS.ErrnoException)}.`, { cause: error });
  }
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  return code === undefined ? message : `cannot be read (${code})`;
}
