import { z } from 'zod';
import { listQuery } from '../platform/http/page.js';
import { Reference } from '../platform/http/reference.js';
import { NewPassword } from '../users/password.js';
import type { Account } from './account.repository.js';
import { RoleLabelView } from './role.schema.js';

const Username = z.string().trim().min(1).max(255).regex(/^\P{Cc}*$/u, 'Must not contain control characters')
  .meta({ description: 'Unique whatever its case.' });
// Looser than z.email(): addresses such as admin@localhost are in use.
const Email = z.string().trim().toLowerCase().max(254).regex(/^[!-?A-~]+@[!-?A-~]+$/, 'Expected an e-mail address')
  .meta({ description: 'Unique; stored in lower case.' });
const Password = NewPassword.meta({
  description: 'At least 12 characters: upper and lower case, a digit and one of ! @ # ? ]. Without one, no sign-in with a password.' });
const Roles = z.array(Reference).max(1000);

/** A user to be made. */
export const NewAccount = z.strictObject({
  username: Username,
  email: Email,
  password: Password.optional(),
  active: z.boolean().default(true),
  roles: Roles.default([]),
}).meta({ id: 'NewUser' });
export type NewAccount = z.output<typeof NewAccount>;

/** Changes to a user; what is absent stays. */
export const AccountChanges = z.strictObject({
  username: Username.optional(),
  email: Email.optional(),
  password: Password.optional().meta({ description: 'At least 12 characters: upper and lower case, a digit and one of ! @ # ? ]. A new one ends every session of the user.' }),
  active: z.boolean().optional().meta({ description: 'False ends every session of the user.' }),
  roles: Roles.optional().meta({ description: 'All roles that the user is to hold.' }),
  id: z.unknown().meta({ description: 'Ignored, as is `profilePicture`: clients may send back what they got.' }),
  profilePicture: z.unknown(),
}).partial().meta({ id: 'UserChanges' });
export type AccountChanges = z.output<typeof AccountChanges>;

/** A user in an answer. */
export const AccountView = z.strictObject({
  id: z.int(),
  username: z.string(),
  email: z.string(),
  active: z.boolean(),
  profilePicture: z.null(),
  roles: z.array(RoleLabelView),
}).meta({ id: 'User' });

/** How users are listed. */
export const AccountQuery = listQuery('id', 'username', 'email', 'active');
export type AccountQuery = z.output<typeof AccountQuery>;

/** What anyone may see of an account that they may see at all. */
export function accountView({ id, username, email, active, roles }: Omit<Account, 'tokenEpoch'>): z.output<typeof AccountView> {
  return { id, username, email, active, profilePicture: null, roles: roles.map((role) => ({ id: role.id, name: role.name })) };
}
