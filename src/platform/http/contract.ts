import { applyDecorators, createParamDecorator, HttpCode, SetMetadata, type ExecutionContext } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiOperation, ApiParam, ApiQuery, ApiResponse } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { RequestWithActor } from './actor.js';
import { objectOf } from './body.js';
import { camelCase, normalizeInput } from './input.js';
import { jsonSchemaOf, type JsonSchema, membersOf } from './json-schema.js';
import { invalid, Problem } from './problem.js';
import { demandNoPrivateKey } from './private-keys.js';
import { validate, validateBody } from './validate.js';

/** More about an answer than its schema. `types`: the media types of a body that is not JSON. */
export interface AnswerWords {
  description?: string;
  types?: readonly string[];
}

type Read = (request: FastifyRequest & RequestWithActor) => unknown;

/** Metadata key of methods that read a JSON body. */
export const hasBodyKey = 'perennial:has-body';

const maxId = 2_147_483_647;
const plainText = z.string();

/**
 * The parameter is the JSON body, parsed by `schema`; keys may be camelCase or snake_case. A body is optional only if
 * the schema accepts undefined. Throws `malformed-body` or `invalid-request`, then the refusal that the guard deferred.
 */
export function JsonBody(schema: z.ZodType): ParameterDecorator {
  const optional = schema.safeParse(undefined).success;
  const documented = ApiBody({ schema: jsonSchemaOf(schema, 'input'), required: !optional });
  return parameter(
    (request) => {
      const body = objectOf(request.body);
      if (body === undefined && !optional) throw new Problem('malformed-body', 'The body is empty.');
      const value = validateBody(schema, body);
      if (request.refusal) throw request.refusal;
      return value;
    },
    documented,
    SetMetadata(hasBodyKey, true),
  );
}

/**
 * The parameter is the query, parsed by `schema`; each member becomes a documented parameter. An empty value counts as
 * absent; a parameter that is there twice is refused.
 */
export function QueryOf(schema: z.ZodObject): ParameterDecorator {
  const documented = membersOf(jsonSchemaOf(schema, 'input')).map((member) => ApiQuery(member));
  return parameter(
    (request) => {
      const given = Object.entries(request.query as object).filter(([, value]) => value !== '');
      const repeated = given.find(([, value]) => Array.isArray(value));
      if (repeated) throw invalid(camelCase(repeated[0]), 'Given more than once');
      return validate(schema, normalizeInput(Object.fromEntries(given)));
    },
    ...documented,
  );
}

/** The parameter is the id in the path: 1 to 2147483647. Anything else is refused with the name of the parameter. */
export function Id(name = 'id'): ParameterDecorator {
  return parameter(
    (request) => {
      const text = pathPart(request, name);
      if (/^[1-9]\d{0,9}$/.test(text) && Number(text) <= maxId) return Number(text);
      throw invalid(name, 'Expected a positive whole number');
    },
    ApiParam({ name, schema: { type: 'integer', minimum: 1, maximum: maxId } }),
  );
}

/** The parameter is a name in the path, decoded and without NUL characters. */
export function PathText(name: string): ParameterDecorator {
  return parameter(
    (request) => {
      const text = pathPart(request, name);
      if (text.includes('\0')) throw invalid(name, 'Must not contain a NUL character');
      return text;
    },
    ApiParam({ name, schema: { type: 'string' } }),
  );
}

/** The parameter is a header of the request, or undefined. `description` says what it is for (Markdown). */
export function HeaderText(name: string, description: string): ParameterDecorator {
  const key = name.toLowerCase();
  return parameter(
    (request) => {
      const text = request.headers[key];
      if (text !== undefined) demandNoPrivateKey(plainText, { [name]: text });
      return text;
    },
    ApiHeader({ name, description, required: false, schema: { type: 'string' } }),
  );
}

/**
 * The successful answer of the route; null means an empty body. Of several, the topmost gives the status that is sent.
 */
export function Answers(
  status: number,
  schema: z.ZodType | null,
  { description = '', types = [] }: AnswerWords = {},
): MethodDecorator {
  const content: Record<string, { schema: JsonSchema }> = {
    ...(schema && { 'application/json': { schema: jsonSchemaOf(schema, 'output') } }),
    ...Object.fromEntries(types.map((type) => [type, { schema: {} }])),
  };
  return applyDecorators(
    HttpCode(status),
    ApiResponse({ status, description, ...(Object.keys(content).length > 0 && { content }) }),
  );
}

/** What the route does, in one line, and details if one line is not enough (Markdown). */
export function Summary(summary: string, description?: string): MethodDecorator {
  return ApiOperation({ summary, ...(description !== undefined && { description }) });
}

function pathPart(request: FastifyRequest, name: string): string {
  return (request.params as Record<string, string | undefined>)[name] ?? '';
}

/**
 * A parameter decorator that reads from the request after the guard has admitted it, and documents the method.
 */
function parameter(read: Read, ...documented: MethodDecorator[]): ParameterDecorator {
  const decorate = createParamDecorator((_: unknown, context: ExecutionContext) =>
    read(context.switchToHttp().getRequest<FastifyRequest & RequestWithActor>()),
  )();
  return (target, key, index) => {
    decorate(target, key, index);
    const method = key === undefined ? undefined : Object.getOwnPropertyDescriptor(target, key);
    if (!key || !method) throw new Error('Only for parameters of methods.');
    for (const document of documented) document(target, key, method);
  };
}
