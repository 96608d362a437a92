import { z } from 'zod';
import { listQuery } from '../platform/http/page.js';
import { Reference } from '../platform/http/reference.js';
import { rolePermissions } from './permission.js';
import { RoleName } from './role-name.js';
import type { Role } from './role.entity.js';

const Description = z.string().trim().max(1024);
const Permissions = z.array(z.enum(rolePermissions)).max(rolePermissions.length).transform((names) => [...new Set(names)])
  .meta({ description: 'What holders may do with the certificates that the role owns or is linked to, beside changing them: `key:read` shows them the private key.' });
const Users = z.array(Reference).max(10_000);

/** A role to be made. */
export const NewRole = z.strictObject({
  name: RoleName,
  description: Description.default(''),
  permissions: Permissions.default([]),
  users: Users.default([]).meta({ description: 'Who holds the role, by `id` or by user name in `name`.' }),
}).meta({ id: 'NewRole' });
export type NewRole = z.output<typeof NewRole>;

/** Changes to a role; what is absent stays. */
export const RoleChanges = z.strictObject({
  name: z.string().trim().min(1).max(128).optional().meta({ description: 'Built-in roles keep theirs.' }),
  description: Description.optional(),
  permissions: Permissions.optional(),
  users: Users.optional().meta({ description: 'All users that are to hold the role.' }),
  id: z.unknown().meta({ description: 'Ignored, as is `thirdParty`: clients may send back what they got.' }),
  thirdParty: z.unknown(),
}).partial().meta({ id: 'RoleChanges' });
export type RoleChanges = z.output<typeof RoleChanges>;

/** A role by id and name, as it stands inside other answers. */
export const RoleLabelView = z.strictObject({ id: z.int(), name: z.string() }).meta({ id: 'RoleLabel' });

/** A role in an answer. */
export const RoleView = z.strictObject({
  id: z.int(),
  name: z.string(),
  description: z.string(),
  thirdParty: z.boolean().meta({ description: 'Kept by an identity provider or a CA.' }),
  permissions: z.array(z.string()),
}).meta({ id: 'Role' });

/** How roles are listed. */
export const RoleQuery = listQuery('id', 'name', 'description', 'thirdParty');
export type RoleQuery = z.output<typeof RoleQuery>;

export function roleView({ id, name, description, thirdParty, permissions }: Role): z.output<typeof RoleView> {
  return { id, name, description, thirdParty, permissions };
}
