import { z } from 'zod';

const Code = z.string().min(1).max(4096);
const State = z.string().min(1).max(4096);
const Issuer = z.string().max(2048);

/** The parameters of the provider's redirect. Unknown parameters are ignored, as RFC 6749 §4.1.2 requires. */
export const ReturnQuery = z.looseObject({
  code: Code.optional(),
  state: State,
  iss: Issuer.optional().meta({ description: 'The issuer (RFC 9207).' }),
  error: z.string().max(1024).optional().meta({ description: 'Why there is no code (RFC 6749 §4.1.2.1).' }),
});

/** The same from a client that handled the redirect itself. */
export const ReturnBody = z
  .strictObject({
    code: Code,
    state: State.meta({ description: 'From the response of `GET /auth/providers` to this client.' }),
    iss: Issuer.optional(),
    clientId: z
      .string()
      .max(1024)
      .optional()
      .meta({ description: 'Ignored, like `redirectUri`: the settings have both.' }),
    redirectUri: z.string().max(2048).optional(),
  })
  .meta({ id: 'AuthorizationResponse' });

/** GET /auth/oidc/login. */
export const LoginQuery = z.strictObject({
  provider: z.string().max(32).optional().meta({ description: 'Its `name`; the first one if absent.' }),
  returnTo: z
    .string()
    .max(1024)
    .regex(/^\/[!-"$-[\]-~]*$/, 'must be a path on this server')
    .optional()
    .meta({
      description:
        'A path on this server. The browser is redirected to it with `#token=…` after the sign-in. ' +
        'Without it the response is the token as JSON.',
    }),
});

/** A provider in the response of GET /auth/providers. */
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
      description: 'Complete URL to sign in, with `state`. Both are null while the provider cannot be reached.',
    }),
    loginUrl: z.string().meta({ description: 'URL at which a browser starts the sign-in.' }),
  })
  .meta({ id: 'IdentityProvider' });
export type ProviderView = z.output<typeof ProviderView>;
