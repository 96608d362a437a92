import type { z } from 'zod';
import { truthOf } from './query.js';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** Members that the forms of Lemur's page leave in a request, and that no request here uses. */
const leftovers =
  /^(selected[A-Z]\w*|subAltType|subAltValue|custom(Oid|IsCritical|Encoding|Value)|validityType|template|encipherOrDecipher|defaultIssuerPlugin)$/;

/**
 * A copy of `value` without those of its `issues` that have one certain correction: an unknown member that is null or
 * left over from a form of Lemur, null for a member that may be absent, a boolean or an integer as text. Undefined if
 * there is none.
 */
export function mended(value: unknown, issues: readonly Issue[]): unknown {
  const mends = issues.flatMap((issue) => mendsOf(value, issue));
  if (mends.length === 0) return undefined;
  const copy = structuredClone(value);
  for (const { path, to } of mends) put(copy, path, to);
  return copy;
}

/** `to` undefined: the member is dropped. */
interface Mend {
  path: Path;
  to: unknown;
}

function mendsOf(value: unknown, issue: Issue): Mend[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys
      .map((key) => [...issue.path, key])
      .filter((path) => at(value, path) === null || (path.length === 1 && leftovers.test(String(path[0]))))
      .map((path) => ({ path, to: undefined }));
  const given = at(value, issue.path);
  if (given === null && typeof issue.path.at(-1) === 'string') return [{ path: issue.path, to: undefined }];
  const to = converted(given, issue);
  return to === undefined ? [] : [{ path: issue.path, to }];
}

function converted(given: unknown, issue: Issue): unknown {
  if (typeof given !== 'string') return undefined;
  const wantsTruth =
    (issue.code === 'invalid_type' && issue.expected === 'boolean') ||
    (issue.code === 'invalid_value' && issue.values.every((one) => typeof one === 'boolean'));
  if (wantsTruth) return truthOf(given.trim());
  const wantsNumber = issue.code === 'invalid_type' && ['number', 'int'].includes(issue.expected);
  return wantsNumber && /^\s*-?\d{1,15}\s*$/.test(given) ? Number(given) : undefined;
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (node, key) =>
      typeof node === 'object' && node !== null ? (node as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
}

function put(value: unknown, path: Path, to: unknown): void {
  const parent = at(value, path.slice(0, -1)) as Record<PropertyKey, unknown> | undefined;
  const key = path.at(-1);
  if (parent === undefined || key === undefined) return;
  if (to === undefined) delete parent[key];
  else parent[key] = to;
}
