import { z } from 'zod';
import { fieldOf } from './input.js';
import { Problem, type Reasons } from './problem.js';
import { demandNoPrivateKey } from './private-keys.js';
import { issueText } from './issue-text.js';
import { mended } from './leniency.js';

type Issue = z.core.$ZodIssue;

/** More faults than this help nobody, and an answer should not be longer than its request. */
const mostFaults = 100;
/** With more unknown members than this, nothing else is checked, and the first ten are named. */
const mostUnknown = 100;

/**
 * The value, parsed by the schema. Throws `invalid-request` with a reason for every invalid field (the first hundred),
 * or for a field that holds a private key and is not for secrets.
 */
export function validate<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  return outcome(schema, value, (given) => schema.safeParse(given, { error: issueText }));
}

/** As `validate`, for the body of a request, which may have the peculiarities of Lemur's clients: see `mended`. */
export function validateBody<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  return outcome(schema, value, (given) => mendedAndRead(schema, given));
}

function outcome<S extends z.ZodType>(
  schema: S,
  value: unknown,
  read: (given: unknown) => z.ZodSafeParseResult<z.output<S>>,
): z.output<S> {
  demandKnown(schema, value);
  demandNoPrivateKey(schema, value);
  const result = read(value);
  if (result.success) return result.data;
  const reasons = reasonsOf(result.error.issues);
  throw new Problem('invalid-request', summary(reasons), { reasons });
}

function demandKnown(schema: z.ZodType, value: unknown): void {
  if (!(schema instanceof z.ZodObject) || !(schema.def.catchall instanceof z.ZodNever)) return;
  if (typeof value !== 'object' || value === null) return;
  const unknown: string[] = [];
  for (const key in value) {
    if (Object.hasOwn(schema.shape, key)) continue;
    unknown.push(key);
    if (unknown.length <= mostUnknown) continue;
    const reasons = Object.fromEntries(unknown.slice(0, 10).map((name) => [fieldOf([name]), ['Unknown field']]));
    throw new Problem('invalid-request', `${fieldOf([unknown[0] ?? ''])}: Unknown field (and more)`, { reasons });
  }
}

/** A correction can reveal further issues: it is repeated, but not for ever. */
const mostMends = 3;

function mendedAndRead<S extends z.ZodType>(schema: S, value: unknown): z.ZodSafeParseResult<z.output<S>> {
  let result = schema.safeParse(value, { error: issueText });
  for (let given = value, i = 0; !result.success && i < mostMends; i += 1) {
    given = mended(given, result.error.issues);
    if (given === undefined) break;
    result = schema.safeParse(given, { error: issueText });
  }
  return result;
}

function reasonsOf(issues: readonly Issue[]): Reasons {
  const reasons = new Map<string, string[]>();
  for (const [field, text] of issues
    .slice(0, mostFaults)
    .flatMap((issue) => textsOf(issue, []))
    .slice(0, mostFaults)) {
    reasons.set(field, [...(reasons.get(field) ?? []), text]);
  }
  return Object.fromEntries(reasons);
}

function textsOf(issue: Issue, above: readonly PropertyKey[]): [field: string, text: string][] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys')
    return issue.keys.slice(0, mostFaults).map((key) => [fieldOf([...path, key]), issue.message]);
  const nearest = issue.code === 'invalid_union' ? nearestBranch(issue.errors) : undefined;
  return nearest ? nearest.flatMap((inner) => textsOf(inner, path)) : [[fieldOf(path), issue.message]];
}

/**
 * The branch of a union that was most likely meant: it failed in a member and not as a whole, and in the fewest places.
 */
function nearestBranch(branches: readonly Issue[][]): Issue[] | undefined {
  const inside = branches.filter((issues) =>
    issues.every((issue) => issue.path.length > 0 || issue.code === 'unrecognized_keys'),
  );
  return inside.sort((a, b) => a.length - b.length)[0];
}

function summary(reasons: Reasons): string {
  const [first = ['body', ['Not valid']], ...others] = Object.entries(reasons);
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  return `${first[0]}: ${first[1][0]}${more}`;
}
