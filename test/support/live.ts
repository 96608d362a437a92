import { describe } from 'vitest';

/**
 * A suite against a real CA. `missing` says what this machine lacks for it, with what to install or to set, and then
 * the suite is skipped and prints it; undefined: the suite runs.
 */
export function describeLive(name: string, missing: string | undefined, suite: () => void): void {
  if (missing === undefined) {
    describe(name, suite);
    return;
  }
  console.warn(`${name}: SKIPPED: ${missing}`);
  describe.skip(`${name} (skipped: ${missing})`, suite);
}
