import { z } from 'zod';
import { holdsPrivateKey } from '../../pki/private-key-text.js';
import { fieldOf } from './input.js';
import { invalid } from './problem.js';

type Path = readonly string[];

/**
 * Refuses input with a private key in a member that is not for secrets: it would be stored unsealed, and shown. Members
 * for secrets are marked `secret` or `writeOnly` in their schema. Throws Problem `invalid-request` that names the
 * member.
 */
export function demandNoPrivateKey(schema: z.ZodType, value: unknown): void {
  for (const path of placesOfKeys(value, []))
    if (!isForSecrets(schema, path))
      throw invalid(
        fieldOf(path),
        'Must not hold a private key: it would be kept and shown as it is. Treat that key as disclosed.',
      );
}

function* placesOfKeys(value: unknown, path: Path): Generator<Path> {
  if (typeof value === 'string' && holdsPrivateKey(value)) yield path;
  if (typeof value !== 'object' || value === null) return;
  const { kty, d } = value as { kty?: unknown; d?: unknown };
  if (typeof kty === 'string' && typeof d === 'string') yield path;
  for (const [name, entry] of Object.entries(value)) {
    if (holdsPrivateKey(name)) yield path;
    yield* placesOfKeys(entry, [...path, name]);
  }
}

/** Whether a member at or above `path` is for secrets; of a union any branch counts. */
function isForSecrets(schema: z.core.$ZodType, path: Path): boolean {
  const [next, ...rest] = path;
  const { secret, writeOnly } = (z.globalRegistry.get(schema) ?? {}) as { secret?: unknown; writeOnly?: unknown };
  if (secret === true || writeOnly === true) return true;
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'readonly':
    case 'nonoptional':
    case 'catch':
      return isForSecrets(def.innerType, path);
    case 'pipe':
      return isForSecrets(def.in, path);
    case 'union':
      return def.options.some((option) => isForSecrets(option, path));
    case 'object':
      return next !== undefined && def.shape[next] !== undefined && isForSecrets(def.shape[next], rest);
    case 'array':
      return next !== undefined && isForSecrets(def.element, rest);
    case 'record':
      return next !== undefined && isForSecrets(def.valueType, rest);
    default:
      return false;
  }
}
