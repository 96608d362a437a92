import { z } from 'zod';
import { listQuery } from '../platform/http/page.js';
import { queryInt } from '../platform/http/query.js';
import { Reference } from '../platform/http/reference.js';
import { rolePermissions } from './permission.js';
import { RoleName } from './role-name.js';
import type { Role } from './role.entity.js';

const Description = z.string().trim().max(1024);
const Permissions = z
  .array(z.enum(rolePermissions))
  .max(rolePermissions.length)
  .transform((names) => [...new Set(names)])
  .meta({
    description:
      'What holders may do with the certificates that the role owns or is linked to, ' +
      'beside changing them: `key:read` shows them the private key.',
  });
const Username = z
  .string()
  .trim()
  .min(1)
  .max(255)
  .regex(/^\P{Cc}*$/u, 'must not contain control characters')
  .nullable()
  .meta({ description: 'A user name of some other system, kept for the holders of the role.' });
const Password = z
  .string()
  .min(1)
  .max(1024)
  .nullable()
  .meta({ writeOnly: true, description: 'Its password, kept sealed; only `/roles/{id}/credentials` shows it.' });
const Users = z.array(Reference).max(10_000);

/** A role to be made. */
export const NewRole = z
  .strictObject({
    name: RoleName,
    description: Description.default(''),
    permissions: Permissions.default([]),
    username: Username.optional(),
    password: Password.optional(),
    users: Users.default([]).meta({ description: 'Who holds the role, by `id` or by user name in `name`.' }),
  })
  .meta({ id: 'NewRole' });
export type NewRole = z.output<typeof NewRole>;

/** Changes to a role; what is absent stays. */
export const RoleChanges = z
  .strictObject({
    name: z.string().trim().min(1).max(128).optional().meta({ description: 'Built-in roles keep theirs.' }),
    description: Description.optional(),
    permissions: Permissions.optional(),
    username: Username.optional().meta({ description: 'Null clears it.' }),
    password: Password.optional().meta({ description: 'Null clears it.' }),
    users: Users.optional().meta({ description: 'All users that are to hold the role.' }),
    id: z.unknown().meta({ description: 'Ignored, as is `thirdParty`: clients may send back what they got.' }),
    thirdParty: z.unknown(),
    authorities: z.unknown().meta({ description: 'Ignored: an authority names its roles.' }),
  })
  .partial()
  .meta({ id: 'RoleChanges' });
export type RoleChanges = z.output<typeof RoleChanges>;

/** A role by id and name, as it stands inside other answers. */
export const RoleLabelView = z.strictObject({ id: z.int(), name: z.string() }).meta({ id: 'RoleLabel' });

const Holder = z.strictObject({ id: z.int(), username: z.string(), email: z.string(), active: z.boolean() });
export type Holder = z.output<typeof Holder>;

/** A role in an answer. */
export const RoleView = z
  .strictObject({
    id: z.int(),
    name: z.string(),
    description: z.string(),
    thirdParty: z.boolean().meta({ description: 'Kept by an identity provider or a CA.' }),
    permissions: z.array(z.string()),
    users: z.array(Holder).meta({ description: 'Who holds it; empty for others than its holders and administrators.' }),
    authorities: z
      .array(z.looseObject({ id: z.int(), name: z.string() }))
      .meta({ description: 'The authorities that it belongs to, as certificates name theirs; for the same people.' }),
  })
  .meta({ id: 'Role' });

/** What a role keeps for its holders; null where it keeps nothing. */
export const CredentialsView = z
  .strictObject({ username: z.string().nullable(), password: z.string().nullable() })
  .meta({ id: 'RoleCredentials' });

/** How roles are listed. */
export const RoleQuery = listQuery('id', 'name', 'description', 'thirdParty').extend({
  id: queryInt(1, 2_147_483_647).optional().meta({ description: 'Only this role.' }),
  owner: z.string().trim().toLowerCase().max(128).optional().meta({ description: 'Only the role of this owner.' }),
});
export type RoleQuery = z.output<typeof RoleQuery>;

/** What a role hangs on. */
export interface RoleLinks {
  users: Holder[];
  authorities: { id: number; name: string }[];
}

export function roleView(
  { id, name, description, thirdParty, permissions }: Role,
  { users, authorities }: RoleLinks,
): z.output<typeof RoleView> {
  return { id, name, description, thirdParty, permissions, users, authorities };
}
