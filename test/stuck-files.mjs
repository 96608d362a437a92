import { execFileSync } from 'node:child_process';

/** Three times what the slowest file takes. */
const limitMs = 20 * 60_000;

/**
 * A reporter for vitest. Vitest has limits for tests and hooks, which a file that blocks its process, or is not loaded,
 * never reaches: the run would not end. Such a file ends the run here, with its name, its last test and the processes
 * that are there.
 */
export default class StuckFiles {
  /** Those that have not ended. `since` is null for those that have not begun. */
  #files = new Map();
  #lastEvent = Date.now();

  onInit() {
    setInterval(() => this.#look(), 10_000).unref();
  }

  onTestRunStart(specifications) {
    for (const file of specifications) this.#note(file, { since: null, test: 'not begun' });
  }

  onTestModuleQueued(module) {
    this.#note(module, { since: Date.now(), test: 'before its first test' });
  }

  onTestCaseReady({ module, fullName }) {
    this.#note(module, { test: fullName });
  }

  onTestCaseResult(test) {
    const { state, errors } = test.result();
    if (state === 'failed') this.#failed(test.module).push(`${test.fullName}: ${errors[0]?.message.slice(0, 300)}`);
  }

  onTestModuleEnd(module) {
    this.#note(module, {});
    this.#files.delete(module.moduleId);
  }

  #note({ moduleId: name }, changed) {
    this.#lastEvent = Date.now();
    this.#files.set(name, { ...this.#files.get(name), ...changed });
  }

  /** The failures of a file, which are printed when it ends. */
  #failed(module) {
    const { failures = [] } = this.#files.get(module.moduleId) ?? {};
    this.#note(module, { failures });
    return failures;
  }

  #look() {
    const long = [...this.#files].filter(([, { since }]) => since !== null && isOver(since));
    const stuck = long.length === 0 && isOver(this.#lastEvent) ? [...this.#files] : long;
    if (stuck.length === 0) return;
    console.error(processes());
    for (const [name, { test, failures = [] }] of stuck) {
      console.error(`FAIL ${name} has not ended after ${limitMs / 60_000} minutes: ${test}`);
      for (const failure of failures) console.error(`  × ${failure}`);
    }
    process.exit(1);
  }
}

function isOver(since) {
  return Date.now() - since > limitMs;
}

function processes() {
  const fields = ['-e', '--forest', '-o', 'pid,stat,wchan:20,etime,time,args'];
  try {
    const text = execFileSync('ps', fields, { encoding: 'utf8', timeout: 10_000, killSignal: 'SIGKILL' });
    return text.replace(/^(.{160}).*$/gm, '$1');
  } catch (error) {
    return `The processes cannot be listed: ${error.message}`;
  }
}
