import {
  applyDecorators,
  createParamDecorator,
  SetMetadata,
  type CustomDecorator,
  type ExecutionContext,
} from '@nestjs/common';

/** A role that an actor holds. */
export interface HeldRole {
  id: number;
  name: string;
  /**
   * What the role grants on the objects that it is linked to or owns (see `rolePermissions` in roles/permission.ts).
   */
  permissions: readonly string[];
}

/** Who acts, as determined at the start of the request or job. */
export interface Actor {
  /** 0 for the program itself and for someone who is not signed in. */
  userId: number;
  username: string;
  email: string;
  roles: readonly HeldRole[];
  /** The permissions of the roles together (see roles/permission.ts), less what the scopes of an API key leave out. */
  permissions: ReadonlySet<string>;
  /** The API key that acts for the user; null in a session and for the program itself. */
  apiKey: { id: number; name: string } | null;
  /** The client's IP address; empty for the program itself. */
  address: string;
  /** The id of the request or job, as in the log. */
  requestId: string;
  /**
   * Set when the rest was not read for this request: its version (see KeptFacts), and how to read it now; with
   * `mayBeKept`, at the newest version.
   */
  kept?: { version: number; again: (mayBeKept?: boolean) => Promise<Actor> };
}

/** A request that the guard has let in. */
export interface RequestWithActor {
  actor?: Actor;
  /** Thrown by `JsonBody` once the body is found valid (see `RequiresAfterBody`). */
  refusal?: Error;
}

class EveryPermission extends Set<string> {
  override has(): boolean {
    return true;
  }
}

/** The program itself, in the job or tick named by `requestId`: it holds `admin`, and may do everything. */
export function systemActor(requestId: string): Actor {
  return {
    userId: 0,
    username: 'system',
    email: '',
    roles: [{ id: 0, name: 'admin', permissions: [] }],
    permissions: new EveryPermission(),
    apiKey: null,
    address: '',
    requestId,
  };
}

/** Metadata keys that the guard reads. */
export const requiresKey = 'perennial:requires';
export const publicKey = 'perennial:public';
export const afterBodyKey = 'perennial:after-body';
export const fromKeptKey = 'perennial:from-kept';

/** The route needs this permission. A name that no rule knows stops the program at boot. */
export const Requires = (permission: string): CustomDecorator => SetMetadata(requiresKey, permission);

/**
 * As `Requires`, but an invalid body is refused first, as Lemur's clients expect. Only for routes with a body.
 */
export const RequiresAfterBody = (permission: string): MethodDecorator =>
  applyDecorators(Requires(permission), SetMetadata(afterBodyKey, true));

/**
 * The actor of the route may be a kept one (`Actor.kept`): the handler demands its version in the statement that it
 * answers by.
 */
export const FromKept = (): CustomDecorator => SetMetadata(fromKeptKey, true);

/** The route answers without sign-in. */
export const Public = (): CustomDecorator => SetMetadata(publicKey, true);

/** The parameter is the signed-in Actor. Throws on a public route, which has none. */
export const Who = createParamDecorator((_: unknown, context: ExecutionContext): Actor => {
  const { actor } = context.switchToHttp().getRequest<RequestWithActor>();
  if (!actor) throw new Error('@Who() on a public route.');
  return actor;
});
