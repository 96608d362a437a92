import { readdirSync, writeFileSync, renameSync, existsSync } from 'node:fs';
import { join } from 'node:path';

const libraries = '/usr/lib';

/** Where Debian puts the library of its package `faketime`; null when it is not installed. */
function findLibrary(): string | null {
  const folders = ['', ...(existsSync(libraries) ? readdirSync(libraries) : [])];
  const paths = folders.map((folder) => join(libraries, folder, 'faketime/libfaketime.so.1'));
  return paths.find((path) => existsSync(path)) ?? null;
}

/** Whether the clock of other programs can be moved here; if not, says once how it can. */
export function timeCanBeMoved(): boolean {
  const found = findLibrary() !== null;
  if (!found) console.warn('Skipped: there is no libfaketime (Debian and Ubuntu: apt-get install faketime).');
  return found;
}

/**
 * The wall clock of every program that is started with `env`: real time and an offset that can be changed while they
 * run. They follow within a second. Their monotonic clocks, and so their timers, are left alone.
 */
export class MovedTime {
  private offsetS = 0;

  constructor(private readonly file: string) {
    this.write();
  }

  get env(): Record<string, string> {
    return {
      LD_PRELOAD: findLibrary() ?? '',
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    };
  }

  /** As `env`, for a program of several processes, which must agree on the time: they follow at once. */
  get exactEnv(): Record<string, string> {
    return { ...this.env, FAKETIME_NO_CACHE: '1' };
  }

  /** Back when negative. */
  move(seconds: number): void {
    this.offsetS += Math.round(seconds);
    this.write();
  }

  private write(): void {
    writeFileSync(`${this.file}.new`, `${this.offsetS < 0 ? '' : '+'}${this.offsetS}\n`);
    renameSync(`${this.file}.new`, this.file);
  }
}
