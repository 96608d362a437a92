import { fork } from 'node:child_process';
import { once } from 'node:events';

/** Starts a server of its own process that answers every request with so many octets. `stop` ends it. */
export async function startBare(octets) {
  const child = fork(new URL('bare-answer.mjs', import.meta.url), [String(octets)]);
  const [port] = await once(child, 'message');
  return { url: new URL(`http://127.0.0.1:${port}/`), pid: child.pid, stop: () => child.disconnect() };
}
