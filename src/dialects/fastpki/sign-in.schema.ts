import { z } from 'zod';

/** The form of POST /auth/token: OAuth 2.0's password grant (RFC 6749 §4.3.2). */
export const PasswordGrant = z.strictObject({
  grantType: z.literal(['password', '']).optional(),
  username: z.string().trim().min(1).max(255),
  password: z.string().min(1).max(1024).meta({ writeOnly: true }),
  scope: z.string().max(1024).optional(),
  clientId: z.string().max(255).optional(),
  clientSecret: z.string().max(1024).optional().meta({ writeOnly: true }),
});
export type PasswordGrant = z.output<typeof PasswordGrant>;

/** POST /auth/refresh, and POST /auth/logout. */
export const RefreshToken = z.strictObject({ refreshToken: z.string().min(1).max(4096).meta({ writeOnly: true }) });
export type RefreshToken = z.output<typeof RefreshToken>;

export interface TokensView {
  access_token: string;
  refresh_token: string;
  token_type: 'bearer';
}
