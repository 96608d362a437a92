import { readdirSync, readFileSync } from 'node:fs';

/** `USER_HZ`, which Linux has fixed for programs. */
const ticksPerS = 100;

/**
 * CPU time of a process in ms, user and system, of all its threads; with `children`, also of its children that have
 * ended. 0 when the process is gone.
 */
export function cpuMs(pid, { children = false } = {}) {
  const [user = 0, system = 0, ofChildren = 0, systemOfChildren = 0] = statOf(pid)?.slice(11, 15).map(Number) ?? [];
  return ((user + system + (children ? ofChildren + systemOfChildren : 0)) * 1000) / ticksPerS;
}

/** As `cpuMs`, of a PostgreSQL server: `pid` is its first process. */
export function serverCpuMs(pid) {
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && parentOf(name) === pid);
  return processes.reduce((sum, one) => sum + cpuMs(one), cpuMs(pid, { children: true }));
}

export function parentOf(pid) {
  return Number(statOf(pid)?.[1]);
}

/** The fields of /proc/PID/stat behind the name of the program; undefined when the process is gone. */
function statOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
