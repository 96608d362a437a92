import { violatedConstraint } from '../platform/db/database.js';
import { Problem } from '../platform/http/problem.js';

/** Awaits a write. Throws Problem `conflict` if it violates a constraint in `texts`, which maps names to messages. */
export async function orConflict<T>(writing: Promise<T>, texts: Readonly<Record<string, string>>): Promise<T> {
  try {
    return await writing;
  } catch (error) {
    const text = texts[violatedConstraint(error) ?? ''];
    throw text === undefined ? error : new Problem('conflict', text, { cause: error });
  }
}
