import { execFileSync } from 'node:child_process';

/** Three times what the slowest file takes. */
const limitMs = 20 * 60_000;

/**
 * A reporter for vitest. Vitest has limits for tests and hooks, which a file that blocks its process never reaches: the
 * run would not end. Such a file ends the run here, with its name, its last test and the processes that are there.
 */
export default class StuckFiles {
  #running = new Map();

  onInit() {
    setInterval(() => this.#look(), 10_000).unref();
  }

  onTestModuleQueued({ relativeModuleId }) {
    this.#running.set(relativeModuleId, { since: Date.now(), test: 'before its first test' });
  }

  onTestCaseReady({ module, fullName }) {
    const file = this.#running.get(module.relativeModuleId);
    if (file) file.test = fullName;
  }

  onTestModuleEnd({ relativeModuleId }) {
    this.#running.delete(relativeModuleId);
  }

  #look() {
    const stuck = [...this.#running].filter(([, { since }]) => Date.now() - since > limitMs);
    if (stuck.length === 0) return;
    console.error(
      execFileSync('ps', ['-e', '--forest', '-o', 'pid,stat,wchan:20,etime,time,args'], { encoding: 'utf8' }),
    );
    for (const [name, { test }] of stuck)
      console.error(`FAIL ${name} has not ended after ${limitMs / 60_000} minutes: ${test}`);
    process.exit(1);
  }
}
