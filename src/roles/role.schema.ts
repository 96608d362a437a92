import { z } from 'zod';
import { listQuery } from '../platform/http/page.js';
import { queryInt } from '../platform/http/query.js';
import { Reference } from '../platform/http/reference.js';
import { visibleText } from '../platform/http/visible-text.js';
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
      'Extra rights of holders on the certificates that the role owns or is linked to: ' +
      '`key:read` allows reading the private key.',
  });
const Username = visibleText(255)
  .nullable()
  .meta({ description: 'User name for another system, stored for the holders of the role.' });
const Password = z.string().min(1).max(1024).nullable().meta({
  writeOnly: true,
  description: 'Password for the same system, stored sealed; only `GET /roles/{id}/credentials` returns it.',
});
const Users = z.array(Reference).max(10_000);

/** POST /roles. */
export const NewRole = z
  .strictObject({
    name: RoleName,
    description: Description.default(''),
    permissions: Permissions.default([]),
    username: Username.optional(),
    password: Password.optional(),
    users: Users.default([]).meta({ description: 'Holders of the role, by `id` or by user name in `name`.' }),
  })
  .meta({ id: 'NewRole' });
export type NewRole = z.output<typeof NewRole>;

/** PUT /roles/{id}. Absent members stay unchanged. */
export const RoleChanges = z
  .strictObject({
    name: visibleText(128).optional().meta({ description: 'Built-in roles cannot be renamed.' }),
    description: Description.optional(),
    permissions: Permissions.optional(),
    username: Username.optional().meta({ description: 'Null clears it.' }),
    password: Password.optional().meta({ description: 'Null clears it.' }),
    users: Users.optional().meta({ description: 'The complete list of holders; replaces the current one.' }),
    id: z.unknown().meta({ description: 'Ignored, like `thirdParty`: clients may send a response back.' }),
    thirdParty: z.unknown(),
    authorities: z.unknown().meta({ description: 'Ignored: an authority names its roles.' }),
  })
  .partial()
  .meta({ id: 'RoleChanges' });
export type RoleChanges = z.output<typeof RoleChanges>;

/** A role inside other responses. */
export const RoleLabelView = z.strictObject({ id: z.int(), name: z.string() }).meta({ id: 'RoleLabel' });

const Holder = z.strictObject({ id: z.int(), username: z.string(), email: z.string(), active: z.boolean() });
export type Holder = z.output<typeof Holder>;

/** A role in a response. */
export const RoleView = z
  .strictObject({
    id: z.int(),
    name: z.string(),
    description: z.string(),
    thirdParty: z.boolean().meta({ description: 'Managed by an identity provider or a CA.' }),
    permissions: z.array(z.string()),
    users: z
      .array(Holder)
      .meta({ description: 'Holders of the role. Empty unless you hold it or are an administrator.' }),
    authorities: z.array(z.looseObject({ id: z.int(), name: z.string() })).meta({
      description: 'Authorities that the role is linked to. Empty unless you hold it or are an administrator.',
    }),
  })
  .meta({ id: 'Role' });

/** The credentials that are stored with a role; null where there are none. */
export const CredentialsView = z
  .strictObject({ username: z.string().nullable(), password: z.string().nullable() })
  .meta({ id: 'RoleCredentials' });

/** GET /roles. */
export const RoleQuery = listQuery('id', 'name', 'description', 'thirdParty').extend({
  id: queryInt(1, 2_147_483_647).optional().meta({ description: 'Only this role.' }),
  owner: z.string().trim().toLowerCase().max(128).optional().meta({ description: 'Only the role of this owner.' }),
});
export type RoleQuery = z.output<typeof RoleQuery>;

/** The holders of a role and the authorities that it is linked to. */
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
