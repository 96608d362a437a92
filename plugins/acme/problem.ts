import { z } from 'zod';
import { PluginError, type PluginFault } from '../../src/plugin-api/errors.js';
import type { FetchResponse } from '../../src/plugin-api/site.js';

const prefix = 'urn:ietf:params:acme:error:';

/** A problem document of an ACME server (RFC 8555 §6.7). */
const Subproblem = z.object({
  type: z.string().optional(),
  detail: z.string().optional(),
  identifier: z.object({ value: z.string() }).optional(),
});
export const AcmeProblem = Subproblem.extend({ subproblems: z.array(Subproblem).optional() });
export type AcmeProblem = z.output<typeof AcmeProblem>;

/** Errors that a person must mend here or at the CA, after which the same request can succeed. */
const misconfigured = new Set([
  'accountDoesNotExist',
  'badPublicKey',
  'badSignatureAlgorithm',
  'externalAccountRequired',
  'invalidContact',
  'invalidProfile',
  'unauthorized',
  'unsupportedContact',
  'userActionRequired',
]);
/** Errors of a moment. */
const passing = new Set(['badNonce', 'rateLimited', 'serverInternal']);

/**
 * An error answer of an ACME server. `type` is what stands behind the prefix of RFC 8555 §6.7; empty when it has none.
 */
export class AcmeFailure extends PluginError {
  constructor(
    fault: PluginFault,
    detail: string,
    readonly type: string,
    retryAfterS?: number,
  ) {
    super(fault, detail, retryAfterS);
  }
}

/**
 * The failure for an answer with an error status. Without a problem document something else than the CA has answered.
 */
export function failureOf(answer: FetchResponse, now: Date): AcmeFailure {
  const { status, body, url } = answer;
  const waitS = retryAfterOf(answer, now);
  const problem = readProblem(body);
  if (problem?.type === undefined)
    return new AcmeFailure('unavailable', `${url.host} answers with status ${status}.`, '', waitS);
  const type = problem.type.replace(prefix, '');
  const detail = `${url.host} answers: ${wordsOf(problem)}`;
  return new AcmeFailure(faultOf(type, status), detail, type, waitS);
}

/** The text of a problem on one line, with what is wrong with each name, at most 600 characters. */
export function wordsOf({ type = '', detail = '', subproblems = [] }: AcmeProblem): string {
  const each = subproblems.map((one) => `${one.identifier ? `${one.identifier.value}: ` : ''}${one.detail ?? ''}`);
  const words = [detail, ...each].filter((text) => text !== '').join(' ');
  const name = type.replace(prefix, '');
  return `${`${words || 'no detail'} (${name || 'no type'})`.replace(/[\p{C}\s]+/gu, ' ').slice(0, 600)}.`;
}

/** Seconds that the server asks to wait, in either form of RFC 9110 §10.2.3; undefined when it asks for none. */
export function retryAfterOf({ headers }: Pick<FetchResponse, 'headers'>, now: Date): number | undefined {
  const value = headers['retry-after'];
  if (value === undefined) return undefined;
  const seconds = /^\d{1,9}$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - now.getTime()) / 1000);
  return seconds > 0 ? seconds : undefined;
}

function faultOf(type: string, status: number): PluginFault {
  if (passing.has(type) || status >= 500 || status === 429) return 'unavailable';
  return misconfigured.has(type) ? 'misconfigured' : 'refused';
}

function readProblem(body: Buffer): AcmeProblem | null {
  try {
    return AcmeProblem.parse(JSON.parse(body.toString('utf8')));
  } catch {
    return null;
  }
}
