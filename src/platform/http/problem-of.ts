import { HttpException } from '@nestjs/common';
import { PkiError } from '../../pki/pki-error.js';
import { PluginError, type PluginFault } from '../../plugin-api/errors.js';
import { sqlState } from '../db/database.js';
import { type ProblemCode, Problem, problems } from './problem.js';

const byStatus: Readonly<Record<number, ProblemCode>> = {
  400: 'invalid-request',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  405: 'method-not-allowed',
  409: 'conflict',
  412: 'precondition-failed',
  413: 'too-large',
  414: 'invalid-request',
  415: 'unsupported-media-type',
  429: 'too-many-requests',
  503: 'unavailable',
};

const byFault = {
  misconfigured: 'plugin-misconfigured',
  refused: 'plugin-refused',
  unavailable: 'plugin-unavailable',
} as const satisfies Record<PluginFault, ProblemCode>;

/** Errors about values that a column cannot hold (PostgreSQL, Appendix A, class 22). */
const badValue: Readonly<Record<string, string>> = {
  '22001': 'A text is longer than the field allows.',
  '22003': 'A number is out of range.',
  '22007': 'A date or time is not valid.',
  '22008': 'A date or time is out of range.',
  '22021': 'A text holds a character that cannot be stored.',
  '22P02': 'A value does not have the form that its field needs.',
  '22P05': 'A text holds a character that cannot be stored.',
};

/** Connection lost, rolled back by the server, out of resources, shutting down (same appendix). */
const outOfService = /^(08|40|53|57)/;
/** Errors of the Postgres client that have no code. */
const lostByDriver = /^(Connection terminated|timeout exceeded when trying to connect)/;
/** System calls that only fail when there is no connection; the error of the others tells. */
const connecting = new Set(['connect', 'getaddrinfo']);
const noConnection = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN']);

/**
 * The Problem for any error, with the error as its cause. An unexpected error becomes `internal`, without its text.
 */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof PluginError)
    return new Problem(byFault[error.fault], error.detail, { retryAfterS: error.retryAfterS, cause: error });
  if (error instanceof PkiError) return new Problem('invalid-request', error.message, { cause: error });
  if (error instanceof HttpException)
    return plain(byStatus[error.getStatus()] ?? (error.getStatus() < 500 ? 'invalid-request' : 'internal'), error);
  return ofDatabase(error) ?? ofHttp(error) ?? plain(isUnreachable(error) ? 'unavailable' : 'internal', error);
}

function plain(code: ProblemCode, cause: unknown): Problem {
  return new Problem(code, problems[code].title, { cause, retryAfterS: code === 'unavailable' ? 5 : undefined });
}

/** Errors of Fastify and of the library that serves files carry their HTTP status. */
function ofHttp(error: unknown): Problem | undefined {
  const { statusCode } = (error ?? {}) as { statusCode?: unknown };
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
    ? plain(byStatus[statusCode] ?? 'invalid-request', error)
    : undefined;
}

function ofDatabase(error: unknown): Problem | undefined {
  const state = sqlState(error);
  if (state === undefined) return undefined;
  if (state === '23505') return new Problem('conflict', duplicate(error), { cause: error });
  if (state === '23503' || state === '23001') return ofReference(state, error);
  const text = badValue[state];
  if (text !== undefined) return new Problem('invalid-request', text, { cause: error });
  return outOfService.test(state) ? plain('unavailable', error) : undefined;
}

/**
 * Two mistakes share code 23503; only the message distinguishes them. PostgreSQL 18 has a separate code for
 * `on delete restrict`.
 */
function ofReference(state: string, error: unknown): Problem {
  const removed = state === '23001' || /^(update or )?delete/.test((error as Error).message);
  return removed
    ? new Problem('in-use', stillInUse(error), { cause: error })
    : new Problem('conflict', 'Something that this refers to does not exist, or no longer.', { cause: error });
}

/** A trigger that raises a constraint violation names no table. */
function stillInUse(error: unknown): string {
  const { table, constraint } = (error as { driverError: { table?: string; constraint?: string } }).driverError;
  const what = table ?? constraint;
  return what === undefined
    ? problems['in-use'].title
    : `Something still refers to this: ${what.replaceAll('_', ' ')}.`;
}

/** The index may list a column as `lower(name)` or, depending on its type, as `lower((name)::text)`. */
function duplicate(error: unknown): string {
  const { detail = '' } = (error as { driverError: { detail?: string } }).driverError;
  const columns = /\(([a-z_, ]+)\)=\(/
    .exec(detail.replace(/lower\((?:\(([a-z_]+)\)|([a-z_]+))(?:::text)?\)/g, '$1$2'))?.[1]
    ?.replaceAll('_', ' ');
  return columns ? `There is already one with this ${columns.split(', ').join(' and ')}.` : problems.conflict.title;
}

function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code = '', syscall = '' } = error as NodeJS.ErrnoException;
  return noConnection.has(code) || connecting.has(syscall) || lostByDriver.test(error.message);
}
