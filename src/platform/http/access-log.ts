import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { RequestWithActor } from './actor.js';

const bucketsS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const probes = /^\/(health\/|metrics$)/;

/**
 * One line in the log and one measurement for each finished request. Both name the route's pattern, never the address
 * itself: that may hold names and tokens. Probes are written at level debug.
 */
export function accessLog(log: Log, metrics: Metrics): (request: FastifyRequest, reply: FastifyReply) => void {
  const duration = metrics.histogram(
    { name: 'http_request_duration_seconds', help: 'How long requests took.', labels: ['method', 'route', 'status'] },
    bucketsS,
  );
  return (request, reply) => {
    const { id: requestId, method } = request;
    const { statusCode: status, elapsedTime } = reply;
    const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown');
    duration.observe({ method, route, status }, elapsedTime / 1000);
    const userId = (request as RequestWithActor).actor?.userId;
    log[probes.test(route) ? 'debug' : 'info'](
      { requestId, method, route, status, ms: Math.round(elapsedTime * 10) / 10, userId },
      'request',
    );
  };
}
