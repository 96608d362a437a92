import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Surface } from './surface.js';
import type { Surfaces } from './surfaces.js';

/** An answer without a Problem. `body` undefined: there is none, as with 304. */
export interface HttpAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: Buffer | undefined;
}

/** Answers the GET and POST requests of a surface that is asked thousands of times a second. */
export interface EarlyResponder {
  /** `body` is empty for a GET. Throws Problem, or rejects with it, as a controller does. */
  answer(request: FastifyRequest, body: Buffer): HttpAnswer | Promise<HttpAnswer>;
}

/**
 * Has the responders answer before the framework parses, routes and guards a request, which costs four times as much as
 * the rest. All hooks apply: limits, headers, log and metrics. A request of another method, without a length or with a
 * body that the surface does not accept goes on to the controller, which knows what is wrong with it. Call it after the
 * hooks that refuse requests.
 */
export function answerEarly(
  server: FastifyInstance,
  surfaces: Surfaces,
  responders: ReadonlyMap<Surface, EarlyResponder>,
): void {
  server.addHook('onRequest', (request, reply, done) => {
    const surface = surfaces.of(request);
    const responder = responders.get(surface);
    const length = responder && bodyLength(request, surface);
    if (responder === undefined || length === undefined) return done();
    const send = ({ status, headers, body }: HttpAnswer): void => void reply.status(status).headers(headers).send(body);
    const answer = (body: Buffer): void => {
      try {
        const answered = responder.answer(request, body);
        if (answered instanceof Promise) answered.then(send).catch(done);
        else send(answered);
      } catch (error) {
        done(error as Error);
      }
    };
    if (request.method === 'GET') answer(Buffer.alloc(0));
    else readBody(request, answer);
  });
}

/** Octets of the body; undefined for a request that goes on to the controller. */
function bodyLength({ method, headers, is404 }: FastifyRequest, surface: Surface): number | undefined {
  if (is404) return undefined;
  if (method === 'GET') return 0;
  const { 'content-type': type = '', 'content-length': length } = headers;
  // A message with a Transfer-Encoding has no Content-Length (RFC 9112 §6.2): Node.js refuses one that has both.
  const isReadable = method === 'POST' && Object.hasOwn(surface.parsers, type) && length !== undefined;
  return isReadable && Number(length) <= surface.maxBodyBytes ? Number(length) : undefined;
}

/** Node.js sees to it that the body is as long as announced; when the client breaks off, nothing is read. */
function readBody({ raw }: FastifyRequest, use: (body: Buffer) => void): void {
  const parts: Buffer[] = [];
  raw.on('data', (part: Buffer) => parts.push(part));
  raw.on('end', () => use(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)));
}
