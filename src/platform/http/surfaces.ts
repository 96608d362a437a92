import type { FastifyRequest } from 'fastify';
import { decodedSegments } from './route-table.js';
import type { Surface } from './surface.js';

/** Every surface of the program, and which of them a request belongs to. */
export class Surfaces {
  private readonly byRoute = new Map<string, Surface>();
  private readonly longestFirst: readonly Surface[];

  /**
   * Throws unless the prefixes differ, one surface, `/`, takes every other path, and those with an early answer are
   * public: no guard looks at it.
   */
  constructor(readonly all: readonly Surface[]) {
    this.longestFirst = [...all].sort((a, b) => b.prefix.length - a.prefix.length);
    const prefixes = new Set(all.map(({ prefix }) => prefix));
    if (prefixes.size < all.length) throw new Error('Two surfaces have the same prefix.');
    const guarded = all.find(({ early, authenticator }) => early !== undefined && authenticator !== null);
    if (guarded) throw new Error(`The surface ${guarded.prefix} answers early, but not everybody may ask it.`);
    if (!prefixes.has('/')) throw new Error('No surface has the prefix "/".');
  }

  /** The surface of the matched route; of the path where no route matches. */
  of({ routeOptions: { url: route }, url }: FastifyRequest): Surface {
    if (route === undefined) return this.ofUrl(url);
    let surface = this.byRoute.get(route);
    if (surface === undefined) this.byRoute.set(route, (surface = this.ofPath(route)));
    return surface;
  }

  /** The surface of a request line's URL, which may spell the path with escapes. */
  ofUrl(url: string): Surface {
    return this.ofPath(decodedSegments(url).join('/'));
  }

  /** The URL as its route is declared: without the slash at the end of its path where that means nothing. */
  routed(url: string): string {
    const [path = ''] = url.split('?', 1);
    if (!path.endsWith('/') || !this.ofUrl(path).ignoresTrailingSlash) return url;
    return path.slice(0, -1) + url.slice(path.length);
  }

  /** `path` is decoded, or the pattern of a route. */
  ofPath(path: string): Surface {
    const surface = this.longestFirst.find(({ prefix }) => isAtOrBelow(path, prefix));
    if (surface === undefined) throw new Error('No surface has the prefix "/".');
    return surface;
  }
}

/** Whether a path is this one or below it. */
export function isAtOrBelow(path: string, prefix: string): boolean {
  return prefix === '/' || path === prefix || path.startsWith(`${prefix}/`);
}
