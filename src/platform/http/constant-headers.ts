import type { FastifyReply, FastifyRequest } from 'fastify';
import { apiPrefix, docsPath } from './openapi.js';

const nothing = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** The page of the API carries inline styles and pictures as data; its scripts and calls stay on this server. */
const docs =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const constant = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/**
 * Sets the id of the request and what every answer tells browsers to refuse. A handler that has set its own policy or
 * caching keeps it.
 */
export function constantHeaders(publicUrl: string): (request: FastifyRequest, reply: FastifyReply) => void {
  const headers = publicUrl.startsWith('https:')
    ? { ...constant, 'strict-transport-security': 'max-age=31536000' }
    : constant;
  return (request, reply) => {
    // The matched route and not the address, which can spell the same path with escapes; undefined where none matches.
    const { url: route } = request.routeOptions;
    void reply.headers(headers).header('x-request-id', request.id);
    if (!reply.hasHeader('content-security-policy'))
      void reply.header('content-security-policy', route !== undefined && isBelow(route, docsPath) ? docs : nothing);
    if ((route === undefined || isBelow(route, apiPrefix)) && !reply.hasHeader('cache-control'))
      void reply.header('cache-control', 'no-store');
  };
}

function isBelow(route: string, path: string): boolean {
  return route === path || route.startsWith(`${path}/`);
}
