import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '../log.js';
import { Problem, problems } from './problem.js';
import { problemOf } from './problem-of.js';
import type { RouteTable } from './route-table.js';
import type { Surfaces } from './surfaces.js';

/**
 * The one place where an error becomes an answer. The surface of the request renders it; the cause stays in the log.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly publicUrl: string,
    private readonly log: Log,
    private readonly routes: RouteTable,
    private readonly surfaces: Surfaces,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  private answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const wrongMethod = this.wrongMethod(request);
    const problem = wrongMethod ?? problemOf(error);
    this.report(problem, request);
    // Part of the real answer is sent already: an error can only be shown by breaking the connection.
    if (reply.raw.headersSent) return void reply.raw.destroy();
    if (wrongMethod) void reply.header('allow', this.routes.methodsOf(request.url).join(', '));
    if (problem.extra.retryAfterS !== undefined)
      void reply.header('retry-after', Math.max(1, Math.ceil(problem.extra.retryAfterS)));
    const context = { publicUrl: this.publicUrl, requestId: request.id, method: request.method };
    const { status, headers, body } = this.surfaces.of(request).renderError(problem, context);
    void reply.status(status).headers(headers).send(body);
  }

  private wrongMethod(request: FastifyRequest): Problem | undefined {
    if (!request.is404) return undefined;
    const known = this.routes.methodsOf(request.url);
    return known.length > 0 ? new Problem('method-not-allowed', `This path knows ${known.join(', ')}.`) : undefined;
  }

  private report(problem: Problem, request: FastifyRequest): void {
    const { cause } = problem.extra;
    const line = {
      requestId: request.id,
      method: request.method,
      route: request.routeOptions.url,
      code: problem.code,
      err: cause ?? problem,
    };
    if (problem.code === 'internal') this.log.error(line, 'request failed');
    else if (problems[problem.code].status >= 500) this.log.warn(line, 'request refused: something is down');
    else if (cause !== undefined) this.log.debug(line, 'request refused');
  }
}
