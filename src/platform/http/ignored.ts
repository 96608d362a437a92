import { z } from 'zod';

/**
 * Members of a request that are accepted and dropped, because clients send the whole object back that they have read.
 * They are no part of the type. Members that mean something are written behind these.
 */
export function ignored(names: readonly string[]): Record<never, never> {
  const member = z.unknown().optional().meta({ description: 'Ignored: clients send back what they have read.' });
  return Object.fromEntries(names.map((name) => [name, member]));
}
