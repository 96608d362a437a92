interface Route {
  segments: readonly string[];
  methods: Set<string>;
}

/** The methods of each route, to tell a wrong method (405) from an unknown path (404). Filled as routes register. */
export class RouteTable {
  private readonly routes = new Map<string, Route>();

  /** `pattern` is Fastify's: `/certificates/:id`, `/docs/*`. A catch-all route (`/*`) makes no path known. */
  add(pattern: string, methods: string | readonly string[]): void {
    if (pattern === '*' || pattern === '/*') return;
    const route = this.routes.get(pattern) ?? { segments: pattern.split('/'), methods: new Set() };
    for (const method of [methods].flat()) route.methods.add(method);
    this.routes.set(pattern, route);
  }

  /** The methods of all routes that match this URL, sorted; empty when the path is unknown. The query is ignored. */
  methodsOf(url: string): string[] {
    const path = decodedSegments(url);
    const found = [...this.routes.values()].filter((route) => matches(route.segments, path));
    return [...new Set(found.flatMap((route) => [...route.methods]))].sort();
  }
}

/** The segments of a URL's path as the router reads them, without the query; invalid escapes stay as they are. */
export function decodedSegments(url: string): string[] {
  return (url.split('?', 1)[0] ?? '').split('/').map(decoded);
}

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
