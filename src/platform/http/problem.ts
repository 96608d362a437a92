/** Every error of the API: status, title and the text of its help page. Keys are public and stable. */
export const problems = {
  'invalid-request': {
    status: 400,
    title: 'The request does not match what this endpoint accepts.',
    help:
      'Look at `reasons`: it names each field and what is wrong with it. The accepted ' +
      'shape is in the API documentation.',
  },
  'malformed-body': {
    status: 400,
    title: 'The body is not valid JSON.',
    help: 'Send `Content-Type: application/json` and a complete JSON document.',
  },
  unauthenticated: {
    status: 401,
    title: 'Sign in first.',
    help:
      'Send `Authorization: Bearer <token>` with a token from POST /auth/login that has ' +
      'neither expired nor been revoked.',
  },
  'bad-credentials': {
    status: 401,
    title: 'The name or the password is wrong.',
    help: 'Check both. After many failures sign-in is slowed down for a few minutes.',
  },
  'sign-in-refused': {
    status: 403,
    title: 'You have not been signed in.',
    help:
      'Begin the sign-in anew, in the same browser. If it is refused again, an ' +
      'administrator finds the reason in the audit log, beside the same `instance`.',
  },
  forbidden: {
    status: 403,
    title: 'Your roles do not allow this.',
    help: 'Ask an administrator for the role that carries the permission named in `detail`.',
  },
  'not-found': {
    status: 404,
    title: 'There is no such thing, or you may not know of it.',
    help: 'Check the id and the path.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'This path does not know that method.',
    help: 'The API documentation lists the methods of each path.',
  },
  conflict: {
    status: 409,
    title: 'This clashes with something that exists.',
    help: 'See `detail` for what it clashes with.',
  },
  'wrong-state': {
    status: 409,
    title: 'The certificate is not in a state that allows this.',
    help: 'See `detail` for the state it is in.',
  },
  'authority-inactive': {
    status: 409,
    title: 'The authority is not active.',
    help: 'An administrator makes it active again; if `detail` names another fault, that has to be mended first.',
  },
  'in-use': {
    status: 409,
    title: 'Other things still refer to this.',
    help: 'Detach it first; `detail` says from what.',
  },
  'precondition-failed': {
    status: 412,
    title: 'What this needs does not hold any more.',
    help: 'See `detail` for how things stand.',
  },
  'too-large': { status: 413, title: 'The body is too large.', help: 'Bodies are limited to 1 MiB.' },
  'unsupported-media-type': {
    status: 415,
    title: 'This content type is not understood.',
    help: 'Send `Content-Type: application/json`.',
  },
  'too-many-requests': {
    status: 429,
    title: 'Too many attempts.',
    help: 'Wait for as many seconds as `Retry-After` says.',
  },
  'plugin-misconfigured': {
    status: 400,
    title: 'A plugin cannot work with its options.',
    help: 'Correct the options; `detail` says which.',
  },
  'plugin-refused': {
    status: 400,
    title: 'The other side refused.',
    help: 'The answer is final for this request; `detail` gives the reason.',
  },
  'plugin-unavailable': {
    status: 503,
    title: 'The other side cannot be reached now.',
    help: 'Try again after `Retry-After` seconds.',
  },
  unavailable: { status: 503, title: 'A part that this needs is down.', help: 'See /health/ready for which part.' },
  internal: {
    status: 500,
    title: 'Something broke on our side.',
    help: 'The log has the cause beside the same `instance`.',
  },
} as const satisfies Record<string, { status: number; title: string; help: string }>;

export type ProblemCode = keyof typeof problems;

/**
 * What is wrong, by field. Keys are dotted paths in the request's own names (`authority.id`,
 * `extensions.subAltNames.names.0`).
 */
export type Reasons = Readonly<Record<string, readonly string[]>>;

/**
 * The only error that a use case throws deliberately. `detail` is for the user; it may quote the request, but never a
 * secret.
 */
export class Problem extends Error {
  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    readonly extra: { reasons?: Reasons; retryAfterS?: number; cause?: unknown } = {},
  ) {
    super(detail, { cause: extra.cause });
    this.name = 'Problem';
  }
}

/** A refusal of one field of the request (400). */
export function invalid(field: string, text: string): Problem {
  return new Problem('invalid-request', text, { reasons: { [field]: [text] } });
}
