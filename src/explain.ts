import { ConfigError } from './platform/config.js';
import { Problem } from './platform/http/problem.js';
import { problemOf } from './platform/http/problem-of.js';
import { KeyRingError } from './platform/secrets/key-ring.js';
import { PluginError } from './plugin-api/errors.js';

/** What the operator can mend is told in errors of these kinds; any other is a bug, and its stack says where. */
const worded: readonly unknown[] = [Error, ConfigError, KeyRingError, Problem];

/** What the person at the shell is told of an error: a sentence, and the stack of a bug. */
export function explain(error: unknown): string {
  if (error instanceof PluginError) return error.detail;
  if (!(error instanceof Error)) return String(error);
  if (error instanceof Problem) return explainProblem(error);
  if (worded.includes(error.constructor)) return error.message;
  const problem = problemOf(error);
  if (problem.code === 'internal') return error.stack ?? error.message;
  return problem.code === 'unavailable' ? error.message : problem.detail;
}

function explainProblem({ detail, extra: { reasons } }: Problem): string {
  const lines = Object.entries(reasons ?? {}).flatMap(([field, texts]) => texts.map((text) => `  ${field}: ${text}`));
  return lines.length > 1 ? [detail, ...lines].join('\n') : detail;
}
