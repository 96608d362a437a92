import { afterBodyKey, publicKey, requiresKey } from '../platform/http/actor.js';

/**
 * `public`, the permission a route needs (`afterBody`: a body that is not valid is refused first), or undefined: then
 * nobody may use it.
 */
export type AccessRule = { public: true } | { permission: string; afterBody?: true } | undefined;

/**
 * What the decorators of a route say; the method's count before its controller's, and a permission before `@Public()`.
 */
export function accessRule(method: object, controller: object): AccessRule {
  for (const target of [method, controller]) {
    const permission = Reflect.getMetadata(requiresKey, target) as string | undefined;
    if (permission !== undefined)
      return { permission, ...(Reflect.getMetadata(afterBodyKey, target) === true && { afterBody: true }) };
    if (Reflect.getMetadata(publicKey, target) === true) return { public: true };
  }
  return undefined;
}
