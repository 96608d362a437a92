import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const linux = process.platform === 'linux';

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

function ps(pid: number, field: string): string | null {
  return (
    orNull(() =>
      execFileSync('ps', ['-o', `${field}=`, '-p', String(pid)], { encoding: 'utf8', timeout: 10_000 }).trim(),
    ) || null
  );
}

/**
 * When the living process `pid` started, as an opaque word of letters and digits; null when there is none.
 * Pid and start together name a process for good: a pid alone is given out again, after a container's restart at once.
 */
export function startOf(pid: number): string | null {
  if (!linux) return ps(pid, 'lstart')?.replaceAll(/\W/g, '') ?? null;
  const stat = orNull(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  if (stat === null) return null;
  // The second field is the program's name in parentheses, and may itself hold spaces and parentheses (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, start] = [fields[0], fields[19]];
  return state === 'Z' || start === undefined ? null : start;
}

/** The command line of the living process `pid`, its arguments separated by one space; null when there is none. */
export function commandOf(pid: number): string | null {
  if (!linux) return ps(pid, 'args');
  return orNull(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()) || null;
}
