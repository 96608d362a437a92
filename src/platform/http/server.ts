import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../config.js';
import { Log } from '../log.js';
import { Metrics } from '../metrics.js';
import { accessLog } from './access-log.js';
import { AddressLimit } from './address-limit.js';
import { answerHeaders } from './answer-headers.js';
import { answerEarly, type EarlyResponder } from './early-answers.js';
import { isFromMonitoring } from './monitoring-listener.js';
import { drainMs, idleTimeoutMs, maxAnswerBytes, requestTimeoutMs } from './limits.js';
import { setupApiDocs } from './openapi.js';
import { apiPrefix } from './platform-surfaces.js';
import { Problem } from './problem.js';
import { ProblemFilter } from './problem.filter.js';
import { RouteTable } from './route-table.js';
import type { Surface } from './surface.js';
import { isAtOrBelow, Surfaces } from './surfaces.js';

/** The part of the configuration that the server needs. */
export type ServerSettings = Pick<Config, 'publicUrl' | 'trustedProxies' | 'role' | 'metricsListen'> &
  Partial<Pick<Config, 'pkiRequestsPerSecond'>>;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Fastify with the program's limits: 30 s to send a request, two minutes of silence on a connection. At shutdown it
 * closes idle connections at once, and others after the current answer or 5 s. A client's `X-Request-Id` is kept if it
 * is a UUID.
 */
export function createFastifyAdapter(
  { publicUrl, trustedProxies }: ServerSettings,
  surfaces: Surfaces,
): FastifyAdapter {
  const setHeaders = answerHeaders(publicUrl, surfaces);
  return new FastifyAdapter({
    logger: false,
    // Of a request without a route; each route has the bound of its surface.
    bodyLimit: surfaces.ofPath(apiPrefix).maxBodyBytes,
    trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: idleTimeoutMs,
    routerOptions: { maxParamLength: 1024 },
    rewriteUrl: ({ url = '/' }: IncomingMessage) => surfaces.routed(url),
    genReqId: ({ headers }: IncomingMessage) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && uuid.test(given) ? given.toLowerCase() : randomUUID();
    },
    frameworkErrors: (_error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      const surface = surfaces.ofUrl(request.url);
      const problem = new Problem('invalid-request', 'The address is not encoded correctly.');
      const { status, headers, body } = surface.renderError(problem, {
        publicUrl,
        requestId: request.id,
        method: request.method,
      });
      setHeaders(request, reply, surface);
      void reply.status(status).headers(headers).send(body);
    },
  });
}

/**
 * Applies what an application over HTTP has besides its modules: surfaces, errors, headers, log line, metrics,
 * documentation. Call it once, between `NestFactory.create` and `listen` or `init`. The container must hold Log,
 * Metrics and Surfaces.
 */
export function applyHttp(app: NestFastifyApplication, settings: ServerSettings): void {
  const { publicUrl } = settings;
  const log = app.get(Log, { strict: false });
  const surfaces = app.get(Surfaces, { strict: false });
  const routes = new RouteTable();
  const server = app.getHttpAdapter().getInstance();
  app.setGlobalPrefix(apiPrefix, { exclude: routesOutside(apiPrefix, surfaces.all) });
  app.useGlobalFilters(new ProblemFilter(publicUrl, log, routes, surfaces));
  readBodies(app, server, surfaces);
  server.addHook('onRoute', (route) => {
    route.bodyLimit = surfaces.ofPath(route.url).maxBodyBytes;
    routes.add(route.url, route.method);
  });
  const limit = new AddressLimit(settings.pkiRequestsPerSecond ?? 0);
  server.addHook('onRequest', (request, _reply, done) => {
    const { audience, limitsAddresses } = surfaces.of(request);
    const tooMany = limitsAddresses && limit.refusal(request.ip, performance.now());
    done(refusal(audience, isFromMonitoring(request.raw), settings) ?? tooMany);
  });
  answerEarly(server, surfaces, respondersOf(app, surfaces));
  boundAnswers(server, surfaces, publicUrl);
  drainAtClose(server);
  const setHeaders = answerHeaders(publicUrl, surfaces);
  server.addHook('onSend', (request, reply, payload, done) => {
    setHeaders(request, reply, surfaces.of(request));
    done(null, payload);
  });
  const logAnswer = accessLog(log, app.get(Metrics, { strict: false }));
  server.addHook('onResponse', (request, reply, done) => {
    logAnswer(request, reply, surfaces.of(request));
    done();
  });
  setupApiDocs(app, publicUrl);
}

/** Throws at boot if the responder of a surface is missing. */
function respondersOf(app: NestFastifyApplication, surfaces: Surfaces): Map<Surface, EarlyResponder> {
  const responders = new Map<Surface, EarlyResponder>();
  for (const surface of surfaces.all)
    if (surface.early !== undefined) responders.set(surface, app.get<EarlyResponder>(surface.early, { strict: false }));
  return responders;
}

/** The routes of controllers whose path is whole, and not behind the prefix of the API. */
function routesOutside(prefix: string, surfaces: readonly Surface[]): string[] {
  return surfaces
    .filter((surface) => !isAtOrBelow(surface.prefix, prefix))
    .flatMap((surface) => (surface.prefix === '/' ? ['/'] : [surface.prefix, `${surface.prefix}/*path`]));
}

/**
 * Each surface accepts its own media types, in UTF-8 and not compressed. Any other is 415, forms above all: a page
 * elsewhere cannot make a browser send JSON unasked.
 */
function readBodies(app: NestFastifyApplication, server: FastifyInstance, surfaces: Surfaces): void {
  server.removeContentTypeParser('text/plain');
  const types = new Set(surfaces.all.flatMap(({ parsers }) => Object.keys(parsers)));
  for (const type of types)
    app.useBodyParser(type, {}, (request: FastifyRequest, body, done) => {
      const parse = surfaces.of(request).parsers[type];
      const reason = parse ? unreadCoding(request) : `This path does not accept ${type}.`;
      if (parse && !reason) done(null, parse(body));
      else done(new Problem('unsupported-media-type', reason));
    });
}

/** Why a body of an accepted media type is not read (RFC 9110 §15.5.16); empty when it is. */
function unreadCoding({ headers }: FastifyRequest): string {
  const coding = headers['content-encoding'] ?? 'identity';
  if (coding.toLowerCase() !== 'identity') return `Send the body without the content coding ${coding}.`;
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(headers['content-type'] ?? '') ?? [];
  const isRead = ['utf-8', 'utf8', 'us-ascii'].includes(charset.toLowerCase());
  return isRead ? '' : `Send the body in UTF-8, and not in ${charset}.`;
}

/** Why this address does not serve a surface to the sender; undefined when it does. */
function refusal(
  audience: Surface['audience'],
  fromMonitoring: boolean,
  { role, metricsListen }: ServerSettings,
): Problem | undefined {
  if (audience === 'everyone') return undefined;
  if (audience === 'monitoring') {
    if (fromMonitoring || !metricsListen) return undefined;
    return new Problem('not-found', 'Health and metrics are served at the address of METRICS_LISTEN.');
  }
  if (role === 'worker')
    return new Problem(
      'not-found',
      'This process is a worker: it serves /health and /metrics. The API is where PERENNIAL_ROLE is api or all.',
    );
  return fromMonitoring
    ? new Problem('not-found', 'This address serves /health and /metrics. The API has another address.')
    : undefined;
}

function boundAnswers(server: FastifyInstance, surfaces: Surfaces, publicUrl: string): void {
  const text = `The answer is larger than ${maxAnswerBytes / 1024 / 1024} MiB: ask for less at a time, with count.`;
  server.addHook('onSend', (request, reply, payload, done) => {
    if (typeof payload !== 'string' || payload.length <= maxAnswerBytes) return done(null, payload);
    const problem = new Problem('invalid-request', text);
    const context = { publicUrl, requestId: request.id, method: request.method };
    const { status, headers, body } = surfaces.of(request).renderError(problem, context);
    void reply.status(status).headers(headers);
    done(null, body);
  });
}

/** Without this, shutdown would wait until clients give up their connections, for over a minute. */
function drainAtClose(server: FastifyInstance): void {
  let closing = false;
  server.addHook('preClose', (done) => {
    closing = true;
    setTimeout(() => server.server.closeAllConnections(), drainMs).unref();
    done();
  });
  server.addHook('onSend', (_request, reply, payload, done) => {
    if (closing) void reply.header('connection', 'close');
    done(null, payload);
  });
}
