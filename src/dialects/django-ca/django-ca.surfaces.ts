import { parseJson } from '../../platform/http/body.js';
import { basicAuthentication } from '../../platform/http/platform-surfaces.js';
import { type Problem, problems, type Reasons } from '../../platform/http/problem.js';
import type { ErrorAnswer, ErrorContext, Surface } from '../../platform/http/surface.js';
import { snakeCase } from './names.js';

/** The REST API of django-ca at its default path. Its controllers stand below `djangoCaPath`. */
export const djangoCaPath = 'django_ca/api';

/** A fault of one field, as django-ninja tells it. */
interface FieldFault {
  type: 'value_error';
  loc: (string | number)[];
  msg: string;
}

/** An error does not repeat the request. */
const [mostFaults, longestField, longestText] = [100, 200, 2000];

/** Members of a request here that have another name there. */
const renamed: Readonly<Record<string, string>> = { validityEnd: 'notAfter', validityDays: 'notAfter' };

/** Texts that clients compare. */
const fixed: Readonly<Record<number, string>> = { 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found' };

/** What is wrong with a request that can be read is 400 there, also where REST says 409 or 412. */
function render(problem: Problem, context: ErrorContext): ErrorAnswer {
  const { status } = problems[problem.code];
  const { reasons } = problem.extra;
  if (problem.code === 'invalid-request' && reasons) return answer(422, faultsOf(reasons, context.method));
  return answer(status === 409 || status === 412 ? 400 : status, fixed[status] ?? bounded(problem.detail));
}

function answer(status: number, detail: string | FieldFault[]): ErrorAnswer {
  return {
    status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      ...(status === 401 && { 'www-authenticate': 'Basic realm="api", charset="UTF-8"' }),
    },
    body: JSON.stringify({ detail }),
  };
}

/** A request with a body has its faults there; any other in its query. */
function faultsOf(reasons: Reasons, method: string): FieldFault[] {
  const place = method === 'GET' || method === 'HEAD' ? ['query'] : ['body', 'data'];
  const faults = Object.entries(reasons).flatMap(([field, texts]) =>
    texts.map((msg): FieldFault => ({ type: 'value_error', loc: [...place, ...pathOf(field)], msg: bounded(msg) })),
  );
  return faults.slice(0, mostFaults);
}

function pathOf(field: string): FieldFault['loc'] {
  if (field === 'body') return [];
  const parts = field.slice(0, longestField).split('.');
  return parts.map((part) => (/^\d+$/.test(part) ? Number(part) : snakeCase(renamed[part] ?? part)));
}

function bounded(text: string): string {
  return text.slice(0, longestText);
}

/** The REST API of django-ca: Basic sign-in with the users of this program, errors as django-ninja writes them. */
export const djangoCa: Surface = {
  prefix: `/${djangoCaPath}`,
  parsers: { 'application/json': parseJson },
  maxBodyBytes: 1024 * 1024,
  authenticator: basicAuthentication,
  renderError: render,
  headers: {
    'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'cache-control': 'no-store',
  },
  audience: 'clients',
  ignoresTrailingSlash: true,
  logLevel: 'info',
};
