interface Route {
  segments: readonly string[];
  methods: Set<string>;
}

/**
 * Which methods each path knows, so that a wrong method is told from a wrong path. Filled while the routes are
 * registered.
 */
export class RouteTable {
  private readonly routes = new Map<string, Route>();

  /** `pattern` is Fastify's: `/certificates/:id`, `/docs/*`. A route for everything (`/*`) makes no path known. */
  add(pattern: string, methods: string | readonly string[]): void {
    if (pattern === '*' || pattern === '/*') return;
    const route = this.routes.get(pattern) ?? { segments: pattern.split('/'), methods: new Set() };
    for (const method of [methods].flat()) route.methods.add(method);
    this.routes.set(pattern, route);
  }

  /**
   * The methods that some route knows for this request path, sorted; empty when the path is unknown. A query is
   * ignored.
   */
  methodsOf(url: string): string[] {
    const path = (url.split('?', 1)[0] ?? '').split('/').map(decoded);
    const found = [...this.routes.values()].filter((route) => matches(route.segments, path));
    return [...new Set(found.flatMap((route) => [...route.methods]))].sort();
  }
}

/** As the router reads a part of an address; what is no encoding stays as it is. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function matches(segments: readonly string[], path: readonly string[]): boolean {
  if (segments.at(-1) !== '*')
    return segments.length === path.length && segments.every((segment, i) => fits(segment, path[i]));
  return path.length >= segments.length && segments.slice(0, -1).every((segment, i) => fits(segment, path[i]));
}

function fits(segment: string, part: string | undefined): boolean {
  return segment.startsWith(':') ? part !== '' : segment === part;
}
