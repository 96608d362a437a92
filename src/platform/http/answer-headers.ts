import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Surface } from './surface.js';
import type { Surfaces } from './surfaces.js';

const common = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

export type SetHeaders = (request: FastifyRequest, reply: FastifyReply, surface: Surface) => void;

/**
 * Sets the request id, the common security headers, and the headers of the surface unless the handler has set them. An
 * answer to an unknown path is never cached.
 */
export function answerHeaders(publicUrl: string, surfaces: Surfaces): SetHeaders {
  const always = publicUrl.startsWith('https:')
    ? { ...common, 'strict-transport-security': 'max-age=31536000' }
    : common;
  const ofSurface = new Map(surfaces.all.map((surface) => [surface, Object.entries(surface.headers)]));
  return (request, reply, surface) => {
    void reply.headers(always).header('x-request-id', request.id);
    for (const [name, value] of ofSurface.get(surface) ?? [])
      if (!reply.hasHeader(name)) void reply.header(name, value);
    if (request.routeOptions.url === undefined && !reply.hasHeader('cache-control'))
      void reply.header('cache-control', 'no-store');
  };
}
