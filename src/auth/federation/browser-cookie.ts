import { randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** The `__Host-` prefix stops sibling domains from setting the cookie (RFC 6265bis §4.1.3.2). It requires https. */
function nameFor(publicUrl: string): string {
  return publicUrl.startsWith('https:') ? '__Host-perennial-sign-in' : 'perennial-sign-in';
}

/** The secret that binds a sign-in to the browser that started it; empty if the browser has none. */
export function browserOf(request: FastifyRequest, publicUrl: string): string {
  const name = nameFor(publicUrl);
  const values = (request.headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  const [value = ''] = values;
  return /^[\w-]{43}$/.test(value) ? value : '';
}

/**
 * As `browserOf`, but sets a new cookie if there is none. `SameSite=Lax`, so that the provider's redirect carries it.
 */
export function rememberBrowser(
  request: FastifyRequest,
  reply: FastifyReply,
  { publicUrl, oidcStateLifetimeS }: { publicUrl: string; oidcStateLifetimeS: number },
): string {
  const browser = browserOf(request, publicUrl) || randomBytes(32).toString('base64url');
  const secure = publicUrl.startsWith('https:') ? '; Secure' : '';
  void reply.header(
    'set-cookie',
    `${nameFor(publicUrl)}=${browser}; Path=/; Max-Age=${oidcStateLifetimeS}; HttpOnly; SameSite=Lax${secure}`,
  );
  return browser;
}
