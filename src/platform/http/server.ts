import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../config.js';
import { Log } from '../log.js';
import { Metrics } from '../metrics.js';
import { accessLog } from './access-log.js';
import { parseJson } from './body.js';
import { apiPrefix, setupApiDocs } from './openapi.js';
import { Problem } from './problem.js';
import { problemBody, ProblemFilter, problemType } from './problem.filter.js';
import { RouteTable } from './route-table.js';
import { constantHeaders } from './constant-headers.js';

/** The part of the configuration that the server needs. */
export type ServerSettings = Pick<Config, 'publicUrl' | 'trustedProxies'>;

/** Routes that do not begin with the prefix of the API. */
const outsideTheApi = ['health/*path', 'metrics', 'problems', 'problems/*path'];
const bodyLimit = 1024 * 1024;
/** No answer is larger: lists say before what to ask for instead. */
const longestAnswer = 64 * 1024 * 1024;
/** Sign-in takes bodies of people who are not known yet. */
const signInPrefix = `${apiPrefix}/auth/`;
const signInBodyLimit = 16 * 1024;
/**
 * How long shutdown waits for answers, and for connections that have not asked anything: less than supervisors wait
 * before they kill.
 */
const drainMs = 5000;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Fastify with the program's limits: bodies of 1 MiB, for sign-in of 16 KiB, 30 s to send a request, two minutes of
 * silence on a connection. At shutdown it closes idle connections at once, others behind the answer under way or after
 * 5 s. A client's `X-Request-Id` counts if it is a UUID.
 */
export function createFastifyAdapter({ publicUrl, trustedProxies }: ServerSettings): FastifyAdapter {
  const headers = constantHeaders(publicUrl);
  return new FastifyAdapter({
    logger: false,
    bodyLimit,
    trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
    requestTimeout: 30_000,
    connectionTimeout: 120_000,
    routerOptions: { maxParamLength: 1024 },
    genReqId: ({ headers }: IncomingMessage) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && uuid.test(given) ? given.toLowerCase() : randomUUID();
    },
    frameworkErrors: (_error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      const problem = new Problem('invalid-request', 'The address is not encoded correctly.');
      headers(request, reply);
      void reply
        .status(400)
        .type(problemType)
        .send(problemBody(problem, publicUrl, request.id));
    },
  });
}

/**
 * All that an application over HTTP has besides its modules: prefix, errors, headers, log line, numbers, documentation.
 * Call it once, between `NestFactory.create` and `listen` or `init`. The container must hold Log and Metrics.
 */
export function applyHttp(app: NestFastifyApplication, { publicUrl }: ServerSettings): void {
  const log = app.get(Log, { strict: false });
  const routes = new RouteTable();
  const filter = new ProblemFilter(publicUrl, log, routes);
  const server = app.getHttpAdapter().getInstance();
  app.setGlobalPrefix(apiPrefix, { exclude: outsideTheApi });
  app.useGlobalFilters(filter);
  acceptJsonOnly(app, server);
  addHooks(server, {
    routes,
    headers: constantHeaders(publicUrl),
    finished: accessLog(log, app.get(Metrics, { strict: false })),
    tooLong: (request, reply) => {
      const text = `The answer is larger than ${longestAnswer / 1024 / 1024} MiB: ask for less at a time, with count.`;
      void reply.status(400).type(problemType);
      return JSON.stringify(problemBody(new Problem('invalid-request', text), publicUrl, request.id));
    },
  });
  setupApiDocs(app, publicUrl);
}

/** Anything else, forms above all, is 415: a page elsewhere cannot make a browser send JSON unasked. */
function acceptJsonOnly(app: NestFastifyApplication, server: FastifyInstance): void {
  server.removeContentTypeParser('text/plain');
  app.useBodyParser('application/json', { bodyLimit }, (_request, body, done) => done(null, parseJson(body)));
}

interface Hooks {
  routes: RouteTable;
  headers: ReturnType<typeof constantHeaders>;
  finished: ReturnType<typeof accessLog>;
  /** What is said in place of an answer that is too long. */
  tooLong: (request: FastifyRequest, reply: FastifyReply) => string;
}

function addHooks(server: FastifyInstance, { routes, headers, finished, tooLong }: Hooks): void {
  server.addHook('onRoute', (route) => {
    if (route.url.startsWith(signInPrefix)) route.bodyLimit = signInBodyLimit;
    routes.add(route.url, route.method);
  });
  let closing = false;
  server.addHook('preClose', (done) => {
    closing = true;
    setTimeout(() => server.server.closeAllConnections(), drainMs).unref();
    done();
  });
  server.addHook('onSend', (request, reply, payload, done) => {
    headers(request, reply);
    // Else shutdown would wait until the client gives the connection up, or for over a minute.
    if (closing) void reply.header('connection', 'close');
    const isTooLong = typeof payload === 'string' && payload.length > longestAnswer;
    done(null, isTooLong ? tooLong(request, reply) : payload);
  });
  server.addHook('onResponse', (request, reply, done) => {
    finished(request, reply);
    done();
  });
}
