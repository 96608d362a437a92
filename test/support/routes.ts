import type { TestProgram } from './program.js';

/** What the server really listens for, as `get /api/1/certificates/:id`; read from the tree that Fastify prints. */
export function routesOf(program: TestProgram): string[] {
  const tree: string = program.perennial.app.getHttpAdapter().getInstance().printRoutes({ commonPrefix: false });
  const above: string[] = [];
  return tree.split('\n').flatMap((line) => {
    const [, indent = '', path = '', methods = ''] = /^((?:│ {3}| {4})*)[├└]── (\S+) \((.*)\)$/.exec(line) ?? [];
    if (path === '') return [];
    above.splice(indent.length / 4, Infinity, path);
    return methods
      .split(', ')
      .filter((method) => method !== 'HEAD')
      .map((method) => `${method.toLowerCase()} ${above.join('')}`);
  });
}
