import { eventually, type TestProgram } from './program.js';

/**
 * Waits until each of these periodic tasks has succeeded twice, so that the second run began after this was called.
 * It waits for a task that has not run yet as well.
 */
export async function sweptTwice({ database }: TestProgram, ...tasks: string[]): Promise<void> {
  const successes = async (): Promise<Map<string, string>> => {
    const rows = await database.source.query(
      `select name, last_success_at::text as at from periodic_task
       where name = any($1) and last_success_at is not null`,
      [tasks],
    );
    return new Map(rows.map(({ name, at }: { name: string; at: string }) => [name, at]));
  };
  for (let run = 0; run < 2; run += 1) {
    const before = await successes();
    await eventually(async () => {
      const after = await successes();
      return tasks.every((task) => after.has(task) && after.get(task) !== before.get(task));
    });
  }
}
