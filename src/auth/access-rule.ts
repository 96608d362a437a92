import { afterBodyKey, fromKeptKey, publicKey, requiresKey } from '../platform/http/actor.js';

/**
 * Who may use a route: everyone (`public`), or users with `permission`; undefined means no one. With `afterBody`, the
 * body is validated before the permission is checked; with `fromKept`, the actor may be a kept one.
 */
export type AccessRule = { public: true } | { permission: string; afterBody?: true; fromKept?: true } | undefined;

/** Reads the decorators of a route. The method overrides its controller, and a permission overrides `@Public()`. */
export function accessRule(method: object, controller: object): AccessRule {
  for (const target of [method, controller]) {
    const permission = Reflect.getMetadata(requiresKey, target) as string | undefined;
    if (permission !== undefined)
      return {
        permission,
        ...(Reflect.getMetadata(afterBodyKey, target) === true && { afterBody: true }),
        ...(Reflect.getMetadata(fromKeptKey, target) === true && { fromKept: true }),
      };
    if (Reflect.getMetadata(publicKey, target) === true) return { public: true };
  }
  return undefined;
}
