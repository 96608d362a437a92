import { z } from 'zod';

/** A new session. */
export const Token = z
  .strictObject({ token: z.string().meta({ description: 'For `Authorization: Bearer`.' }) })
  .meta({ id: 'Token' });
