import { z } from 'zod';
import { instantOrNull, InstantOut } from '../platform/http/instant.js';
import { listQuery } from '../platform/http/page.js';
import { Reference } from '../platform/http/reference.js';
import { visibleText } from '../platform/http/visible-text.js';
import { permissions } from '../roles/permission.js';
import { type ApiKeyOfUser, endOf } from './api-key.entity.js';

const Name = visibleText(128);
const Ttl = z
  .int()
  .min(-1)
  .max(36_500)
  .refine((days) => days !== 0, 'must be -1 or at least 1')
  .meta({ description: 'Days from its creation until it expires; -1 for never.' });
const Scopes = z
  .array(z.string().refine((name) => permissions.has(name), 'is not a permission'))
  .max(permissions.size)
  .transform((names) => [...new Set(names)])
  .nullable()
  .meta({
    description:
      'The permissions that the key is limited to. Without scopes it has the permissions of its user, except reading ' +
      'private keys (`key:read`, also by export and delivery), changing keys, users and roles, and changing passwords.',
  });
const ApplicationName = Name.nullable().meta({ description: 'The program that uses the key.' });

/** POST /keys. Only administrators may create keys for others. */
export const NewApiKey = z
  .strictObject({
    name: Name,
    ttl: Ttl,
    scopes: Scopes.default(null),
    applicationName: ApplicationName.default(null),
    user: Reference.optional().meta({ description: 'The user of the key, by `id` or user name; default: yourself.' }),
    userId: z.int().min(1).max(2_147_483_647).optional().meta({ description: 'The same, by id only.' }),
  })
  .refine(({ user, userId }) => user === undefined || userId === undefined || user.id === userId, {
    message: 'The request names another user as `user`.',
    path: ['userId'],
  })
  .transform(({ userId, user, ...key }) => ({
    ...key,
    user: user ?? (userId === undefined ? undefined : { id: userId }),
  }))
  .meta({ id: 'NewApiKey' });
export type NewApiKey = z.output<typeof NewApiKey>;

/** PUT /keys/{id}. Absent members stay unchanged. */
export const ApiKeyChanges = z
  .strictObject({
    name: Name,
    ttl: Ttl,
    scopes: Scopes,
    applicationName: ApplicationName,
    revoked: z.boolean().meta({ description: 'Final: a revoked key stays revoked.' }),
    id: z.unknown().meta({
      description: 'Ignored, like `user`, `issuedAt`, `expiresAt` and `lastUsedAt`: clients may send a response back.',
    }),
    user: z.unknown(),
    issuedAt: z.unknown(),
    expiresAt: z.unknown(),
    lastUsedAt: z.unknown(),
  })
  .partial()
  .meta({ id: 'ApiKeyChanges' });
export type ApiKeyChanges = z.output<typeof ApiKeyChanges>;

/** An API key in a response. */
export const ApiKeyView = z
  .strictObject({
    id: z.int(),
    name: z.string(),
    applicationName: z.string().nullable(),
    user: z.strictObject({ id: z.int(), username: z.string(), email: z.string(), active: z.boolean() }),
    ttl: z.int(),
    issuedAt: z.int().meta({ description: 'Seconds since 1970.' }),
    expiresAt: InstantOut.nullable(),
    lastUsedAt: InstantOut.nullable().meta({ description: 'Accurate to about a minute; null if never used.' }),
    scopes: z.array(z.string()).nullable(),
    revoked: z.boolean(),
  })
  .meta({ id: 'ApiKey' });

/** A new key with its secret, which no other response contains. */
export const MadeApiKey = ApiKeyView.extend({
  jwt: z.string().meta({ description: 'The secret, for `Authorization: Bearer`. It is shown only once.' }),
}).meta({ id: 'MadeApiKey' });

/** GET /keys. */
export const ApiKeyQuery = listQuery('id', 'name', 'issuedAt', 'ttl', 'revoked');
export type ApiKeyQuery = z.output<typeof ApiKeyQuery>;

export function apiKeyView(key: ApiKeyOfUser): z.output<typeof ApiKeyView> {
  const { id, name, applicationName, user, ttlDays, issuedAt, lastUsedAt, scopes, revoked } = key;
  return {
    id,
    name,
    applicationName,
    user,
    ttl: ttlDays,
    issuedAt: Math.floor(issuedAt.getTime() / 1000),
    expiresAt: instantOrNull(endOf(key)),
    lastUsedAt: instantOrNull(lastUsedAt),
    scopes,
    revoked,
  };
}
