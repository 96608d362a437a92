import {
  applyDecorators,
  type CallHandler,
  type ExecutionContext,
  Injectable,
  Logger,
  type NestInterceptor,
  SetMetadata,
  UseInterceptors,
} from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { from, lastValueFrom, type Observable, of } from 'rxjs';
import { Database } from '../db/database.js';
import type { RequestWithActor } from './actor.js';
import { demandIdempotencyKey, idempotencyKeyHelp } from './idempotency-key.js';
import { IdempotentRequests, type MarkedRequest } from './idempotent-requests.js';
import { problemOf } from './problem-of.js';

const header = 'idempotency-key';
const answersKey = 'perennial:idempotent-answers';

/** What is known of the answers of a route. */
interface Answers {
  hasSecret: boolean;
  isFinal: (answer: never) => boolean;
}

/**
 * Answers a repeated request with the answer of the first. The first transaction of a request records its key, so a
 * process that dies leaves either nothing or a key that is refused from then on: nothing is made twice.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  private readonly logger = new Logger('idempotency');

  constructor(
    private readonly db: Database,
    private readonly requests: IdempotentRequests,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<FastifyRequest & RequestWithActor>();
    const key = demandIdempotencyKey(request.headers[header] as string | undefined);
    // A refused request gets its refusal from JsonBody, and no answer of an earlier one.
    if (key === undefined || !request.actor || request.refusal) return next.handle();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const marked = { key, userId: request.actor.userId, content: contentOf(request) };
    const earlier = await this.requests.answered(marked);
    const answers = Reflect.getMetadata(answersKey, context.getHandler()) as Answers;
    if (!earlier)
      return from(
        this.first({ ...marked, ...answers }, () => lastValueFrom(next.handle(), { defaultValue: undefined }), reply),
      );
    void reply.status(earlier.status);
    return of(earlier.body ?? undefined);
  }

  private async first(
    marked: MarkedRequest & Answers,
    work: () => Promise<unknown>,
    reply: FastifyReply,
  ): Promise<unknown> {
    const claim = this.db.joining((tx) => this.requests.claim(tx, marked));
    try {
      const body = await claim.during(work);
      if (!claim.isDone) await this.requests.claim(this.db.single, marked);
      const settled = marked.isFinal(body as never)
        ? this.requests.settle(marked, { status: reply.statusCode, body }, marked.hasSecret)
        : this.requests.forget(marked);
      await settled.catch((error: unknown) => {
        // What the request made is there; a repeated one is refused.
        this.logger.error(error);
      });
      return body;
    } catch (error) {
      // After any other failure nobody knows what the request has made.
      if (claim.isDone && !['internal', 'unavailable'].includes(problemOf(error).code))
        await this.requests.forget(marked);
      throw error;
    }
  }
}

function contentOf({ method, url, body }: FastifyRequest): string {
  return `${method} ${url}\n${JSON.stringify(body) ?? ''}`;
}

/**
 * The route takes the header Idempotency-Key. For routes that make something. `hasSecret`: its answer is shown only
 * once, so that a repeated request is refused. `isFinal`: false for an answer that is not kept, so that a repeated
 * request does the rest; what was done must then not be done again.
 */
export const Idempotent = <T>({
  hasSecret = false,
  isFinal = () => true,
}: { hasSecret?: boolean; isFinal?: (answer: T) => boolean } = {}): MethodDecorator =>
  applyDecorators(
    SetMetadata(answersKey, { hasSecret, isFinal }),
    UseInterceptors(IdempotencyInterceptor),
    ApiHeader({
      name: 'Idempotency-Key',
      description: `${idempotencyKeyHelp} Kept for a day.`,
      required: false,
      schema: { type: 'string' },
    }),
  );
