import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { normalizeInput } from '../../platform/http/input.js';
import { invalid } from '../../platform/http/problem.js';
import { validate } from '../../platform/http/validate.js';
import { located } from './fast-api-error.js';

const maxId = 2_147_483_647;
const requestOf = (context: ExecutionContext): FastifyRequest => context.switchToHttp().getRequest<FastifyRequest>();

/** The parameter is the query, parsed by this schema. Faults are reported in `query`. */
export function Query(schema: z.ZodObject): ParameterDecorator {
  // Not as its data: Nest takes what has a method `transform` for a pipe.
  return createParamDecorator((_: unknown, context: ExecutionContext) =>
    located('query', () => validate(schema, normalizeInput(requestOf(context).query))),
  )();
}

/** The parameter is `:id` in the path. Faults are reported in `path`, by the name that FastPKI has for it. */
export const PathId = createParamDecorator((name: string, context: ExecutionContext): number => {
  const text = (requestOf(context).params as { id?: string }).id ?? '';
  if (/^[1-9]\d{0,9}$/.test(text) && Number(text) <= maxId) return Number(text);
  return located('path', () => {
    throw invalid(name, 'Expected a positive whole number');
  });
});
