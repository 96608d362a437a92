import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { RequestWithActor } from './actor.js';
import type { Surface } from './surface.js';

const bucketsS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export type LogAnswer = (request: FastifyRequest, reply: FastifyReply, surface: Surface) => void;

/**
 * One log line, at the surface's level, and one measurement for each finished request. Both name the pattern of the
 * route and never the URL, which may hold names and tokens.
 */
export function accessLog(log: Log, metrics: Metrics): LogAnswer {
  const duration = metrics.histogram(
    { name: 'http_request_duration_seconds', help: 'Duration of requests.', labels: ['method', 'route', 'status'] },
    bucketsS,
  );
  return (request, reply, { logLevel }) => {
    const { id: requestId, method } = request;
    const { statusCode: status, elapsedTime } = reply;
    const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown');
    duration.observe({ method, route, status }, elapsedTime / 1000);
    const userId = (request as RequestWithActor).actor?.userId;
    log[logLevel]({ requestId, method, route, status, ms: Math.round(elapsedTime * 10) / 10, userId }, 'request');
  };
}
