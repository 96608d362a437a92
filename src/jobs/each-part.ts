import type { TaskReport } from './task-report.js';

/**
 * Runs the parts of a periodic task in their order, each of them also after another one has failed. Failures are
 * reported under the names of their parts, and the first one is thrown after the last part.
 */
export async function eachPart(report: TaskReport, parts: Record<string, () => Promise<void>>): Promise<void> {
  const errors: unknown[] = [];
  for (const [name, part] of Object.entries(parts)) {
    try {
      await part();
    } catch (error) {
      report.failed(name, error);
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
