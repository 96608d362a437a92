import { z } from 'zod';

const Code = z.string().min(1).max(4096);
const State = z.string().min(1).max(4096);
const Issuer = z.string().max(2048);

/** What the provider's redirect carries. Whatever else stands there is ignored, as RFC 6749 §4.1.2 demands. */
export const ReturnQuery = z.looseObject({
  code: Code.optional(),
  state: State,
  iss: Issuer.optional().meta({ description: 'The issuer (RFC 9207).' }),
  error: z.string().max(1024).optional().meta({ description: 'Why there is no code (RFC 6749 §4.1.2.1).' }),
});

/** The same from a client that took the redirect itself. */
export const ReturnBody = z
  .strictObject({
    code: Code,
    state: State.meta({ description: 'As `GET /auth/providers` gave it to this client.' }),
    iss: Issuer.optional(),
    clientId: z
      .string()
      .max(1024)
      .optional()
      .meta({ description: 'Ignored, as is `redirectUri`: both are known here.' }),
    redirectUri: z.string().max(2048).optional(),
  })
  .meta({ id: 'AuthorizationResponse' });

/** Where a browser begins. */
export const LoginQuery = z.strictObject({
  provider: z.string().max(32).optional().meta({ description: 'Its `name`; the first one if absent.' }),
  returnTo: z
    .string()
    .max(1024)
    .regex(/^\/[!-"$-[\]-~]*$/, 'must be a path on this server')
    .optional()
    .meta({
      description:
        'A path on this server, to which the browser is sent afterwards with ' +
        '`#token=…`. Without it the answer is the token as JSON.',
    }),
});

/** One provider in the list. */
export const ProviderView = z
  .strictObject({
    name: z.string(),
    title: z.string(),
    type: z.literal('2.0'),
    clientId: z.string(),
    redirectUri: z.string(),
    scope: z.array(z.string()),
    responseType: z.literal('code'),
    state: z.string().nullable(),
    authorizationUrl: z.string().nullable().meta({
      description: 'Where to sign in, complete, with `state`. Both are null while the provider cannot be reached.',
    }),
    loginUrl: z.string().meta({ description: 'Where a browser begins and need not do anything itself.' }),
  })
  .meta({ id: 'IdentityProvider' });
export type ProviderView = z.output<typeof ProviderView>;
