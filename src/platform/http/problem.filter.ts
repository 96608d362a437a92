import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '../log.js';
import { Problem, problems, type Reasons } from './problem.js';
import { problemOf } from './problem-of.js';
import type { RouteTable } from './route-table.js';

/** The media type of every error answer. */
export const problemType = 'application/problem+json';

/** The body of every error answer (RFC 9457). `message` repeats `detail` for clients written for Lemur. */
export interface ProblemBody {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  message: string;
  reasons?: Problem['extra']['reasons'];
}

/**
 * The one place where an error becomes an answer: `application/problem+json` for all of them, the cause only in the
 * log.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly publicUrl: string,
    private readonly log: Log,
    private readonly routes: RouteTable,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  private answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const problem = this.wrongMethod(request) ?? problemOf(error);
    const { status } = problems[problem.code];
    this.report(problem, status, request);
    // Bytes of the real answer are under way: the only honest ending is a broken one.
    if (reply.raw.headersSent) return void reply.raw.destroy();
    if (request.is404 && status === 405) void reply.header('allow', this.routes.methodsOf(request.url).join(', '));
    if (status === 401) void reply.header('www-authenticate', 'Bearer');
    if (problem.extra.retryAfterS !== undefined)
      void reply.header('retry-after', Math.max(1, Math.ceil(problem.extra.retryAfterS)));
    void reply
      .status(status)
      .type(problemType)
      .send(problemBody(problem, this.publicUrl, request.id));
  }

  private wrongMethod(request: FastifyRequest): Problem | undefined {
    if (!request.is404) return undefined;
    const known = this.routes.methodsOf(request.url);
    return known.length > 0 ? new Problem('method-not-allowed', `This path knows ${known.join(', ')}.`) : undefined;
  }

  private report(problem: Problem, status: number, request: FastifyRequest): void {
    const { cause } = problem.extra;
    const line = {
      requestId: request.id,
      method: request.method,
      route: request.routeOptions.url,
      code: problem.code,
      err: cause ?? problem,
    };
    if (problem.code === 'internal') this.log.error(line, 'request failed');
    else if (status >= 500) this.log.warn(line, 'request refused: something is down');
    else if (cause !== undefined) this.log.debug(line, 'request refused');
  }
}

/** An error says what is wrong, and does not give back what was sent. */
const mostReasons = 100;
const longestText = 2000;
const longestField = 200;

/** The words that the client gets; `requestId` is a UUID. At most 100 reasons, and no long text. */
export function problemBody(problem: Problem, publicUrl: string, requestId: string): ProblemBody {
  const { title, status } = problems[problem.code];
  const detail = shortened(problem.detail, longestText);
  return {
    type: `${publicUrl}/problems/${problem.code}`,
    title,
    status,
    detail,
    instance: `urn:uuid:${requestId}`,
    message: detail,
    ...(problem.extra.reasons && { reasons: shortReasons(problem.extra.reasons) }),
  };
}

function shortReasons(reasons: Reasons): Reasons {
  const short = Object.entries(reasons)
    .slice(0, mostReasons)
    .map(([field, texts]) => [
      shortened(field, longestField),
      texts.slice(0, mostReasons).map((text) => shortened(text, longestText)),
    ]);
  return Object.fromEntries(short) as Reasons;
}

function shortened(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}
