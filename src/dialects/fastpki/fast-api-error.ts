import { fieldOf } from '../../platform/http/input.js';
import { Problem, problems } from '../../platform/http/problem.js';
import type { ErrorAnswer } from '../../platform/http/surface.js';

/** One entry of the list that FastAPI answers for a request of the wrong shape. */
interface Fault {
  type: string;
  /** Where: `body`, `query` or `path`, then names and indices. */
  loc: (string | number)[];
  msg: string;
}

type Place = 'query' | 'path';

const mostFaults = 100;
/** The words of FastAPI for common faults; those for all others are `value_error`. */
const types: Readonly<Record<string, string>> = { Required: 'missing', 'Unknown field': 'extra_forbidden' };

/**
 * Renders an error as FastAPI does: `detail` is a text, or with 422 a list of what is wrong with the shape of the
 * request. Such a problem has `reasons`; see `refusedInWords`.
 */
export function fastApiError(problem: Problem): ErrorAnswer {
  const faults = faultsOf(problem);
  const status = faults ? 422 : problems[problem.code].status;
  return {
    status,
    headers: {
      'content-type': 'application/json',
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    },
    body: JSON.stringify({ detail: faults ?? problem.detail.slice(0, 2000) }),
  };
}

function faultsOf({ code, detail, extra: { reasons } }: Problem): Fault[] | null {
  if (code === 'malformed-body') return [{ type: 'json_invalid', loc: ['body'], msg: detail }];
  if (code !== 'invalid-request' || !reasons) return null;
  return Object.entries(reasons)
    .flatMap(([field, texts]) => texts.map((msg) => ({ type: types[msg] ?? 'value_error', loc: placeOf(field), msg })))
    .slice(0, mostFaults);
}

/** `query.caId` → `['query', 'ca_id']`, `sanDnsNames.0` → `['body', 'san_dns_names', 0]`. */
function placeOf(field: string): Fault['loc'] {
  const [, place = 'body', rest = field] = /^(query|path)\.(.*)$/s.exec(field) ?? [];
  if (rest === fieldOf([])) return [place];
  return [
    place,
    ...rest
      .slice(0, 200)
      .split('.')
      .map((part) => (/^\d{1,9}$/.test(part) ? Number(part) : part.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`))),
  ];
}

/** Runs `work`; the reasons of a refusal say that they are about the query or the path. */
export function located<T>(place: Place, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Problem) || !error.extra.reasons) throw error;
    const reasons = Object.entries(error.extra.reasons).map(([field, texts]) => [`${place}.${field}`, texts]);
    throw new Problem(error.code, error.detail, { reasons: Object.fromEntries(reasons) as typeof error.extra.reasons });
  }
}

/**
 * Runs a command whose request has the right shape. A refusal of a member becomes a text: FastPKI answers it with 400,
 * and its members have other names.
 */
export async function refusedInWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'invalid-request' || !error.extra.reasons) throw error;
    const texts = [...new Set(Object.values(error.extra.reasons).flat())];
    throw new Problem(error.code, texts.join(' '), { cause: error });
  }
}

/** A refusal of a request that has the right shape (400). */
export function refusal(text: string): Problem {
  return new Problem('invalid-request', text);
}
