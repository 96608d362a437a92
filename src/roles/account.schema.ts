import { z } from 'zod';
import { listQuery } from '../platform/http/page.js';
import { queryBoolean, queryInt } from '../platform/http/query.js';
import { Reference } from '../platform/http/reference.js';
import { visibleText } from '../platform/http/visible-text.js';
import { NewPassword } from '../users/password.js';
import { RoleLabelView } from './role.schema.js';

const Username = visibleText(255).meta({ description: 'Unique, ignoring case.' });
// Looser than z.email(), which refuses addresses like admin@localhost.
const Email = z
  .string()
  .trim()
  .toLowerCase()
  .max(254)
  .regex(/^[!-?A-~]+@[!-?A-~]+$/, 'Expected an e-mail address')
  .meta({ description: 'Unique; stored in lower case.' });
const Password = NewPassword.meta({
  description:
    'At least 12 characters: upper and lower case, a digit and one of ! @ # ? ]. ' +
    'If absent, the user cannot sign in with a password.',
});
const Roles = z.array(Reference).max(1000);

/** POST /users. */
export const NewAccount = z
  .strictObject({
    username: Username,
    email: Email,
    password: Password.optional(),
    active: z.boolean().default(true),
    roles: Roles.default([]),
  })
  .meta({ id: 'NewUser' });
export type NewAccount = z.output<typeof NewAccount>;

/** PUT /users/{id}. Absent members stay unchanged. */
export const AccountChanges = z
  .strictObject({
    username: Username.optional(),
    email: Email.optional(),
    password: Password.optional().meta({
      description:
        'At least 12 characters: upper and lower case, a digit and one of ! @ # ? ]. ' +
        'A new password ends every session of the user.',
    }),
    active: z.boolean().optional().meta({ description: 'False ends every session of the user.' }),
    roles: Roles.optional().meta({ description: 'The complete list of roles; replaces the current one.' }),
    id: z.unknown().meta({ description: 'Ignored, like `profilePicture`: clients may send a response back.' }),
    profilePicture: z.unknown(),
    apiKeys: z.unknown(),
  })
  .partial()
  .refine(({ username, email, roles }) => username === undefined || email === undefined || roles !== undefined, {
    message: 'A request with both `username` and `email` must list all roles of the user.',
    path: ['roles'],
  })
  .meta({ id: 'UserChanges' });
export type AccountChanges = z.output<typeof AccountChanges>;

/** A user in a response to administrators and to the user. */
export const AccountView = z
  .strictObject({
    id: z.int(),
    username: z.string(),
    email: z.string(),
    active: z.boolean(),
    profilePicture: z.null(),
    roles: z.array(RoleLabelView),
  })
  .meta({ id: 'User' });

/** A user in a response to anyone else: enough to choose an owner and write to them. */
export const PersonView = AccountView.pick({ id: true, username: true, email: true }).meta({ id: 'Person' });

/** `AccountView` or `PersonView`, depending on the rights of the reader. */
export const AccountOrPersonView = z.union([AccountView, PersonView]);

/** GET /users. */
export const AccountQuery = listQuery('id', 'username', 'email', 'active').extend({
  id: queryInt(1, 2_147_483_647).optional().meta({ description: 'Only this user.' }),
  owner: z
    .string()
    .trim()
    .toLowerCase()
    .max(254)
    .optional()
    .meta({ description: 'Only the user with this e-mail address.' }),
  active: queryBoolean().optional(),
});
export type AccountQuery = z.output<typeof AccountQuery>;

export function personView({ id, username, email }: z.output<typeof PersonView>): z.output<typeof PersonView> {
  return { id, username, email };
}

export function accountView({
  id,
  username,
  email,
  active,
  roles,
}: Omit<z.output<typeof AccountView>, 'profilePicture'>): z.output<typeof AccountView> {
  return {
    id,
    username,
    email,
    active,
    profilePicture: null,
    roles: roles.map((role) => ({ id: role.id, name: role.name })),
  };
}
