import { z } from 'zod';

/**
 * Members of a request that are accepted and dropped, because clients send back whole objects that they have read. They
 * are not part of the type. Spread them before members that have a meaning.
 */
export function ignored(names: readonly string[]): Record<never, never> {
  const member = z.unknown().optional().meta({ description: 'Ignored: clients send back what they have read.' });
  return Object.fromEntries(names.map((name) => [name, member]));
}
