import { z } from 'zod';
import { instant, InstantOut } from '../platform/http/instant.js';
import { listQuery } from '../platform/http/page.js';
import { visibleText } from '../platform/http/visible-text.js';
import type { Profile, ProfileVersion } from './profile.entity.js';
import { ProfileRules } from './profile-rules.schema.js';

const asRead = z.unknown().optional().meta({ description: 'Ignored: clients send back what they got.' });

/** POST and PUT /profiles. A change of `rules` makes a new version. */
export const ProfileRequest = z
  .strictObject({
    name: visibleText(128),
    description: z.string().max(1024).nullish(),
    active: z
      .boolean()
      .default(true)
      .meta({ description: 'False: no new request may use it. Certificates that have it still renew.' }),
    rules: ProfileRules,
    id: asRead,
    version: asRead,
    builtIn: asRead,
    dateCreated: asRead,
  })
  .meta({ id: 'ProfileRequest' });
export type ProfileRequest = z.output<typeof ProfileRequest>;

export const ProfileView = z
  .object({
    id: z.int(),
    name: z.string(),
    description: z.string().nullable(),
    active: z.boolean(),
    builtIn: z.boolean().meta({ description: 'True: it comes with the program; copy its rules to change them.' }),
    version: z.int().meta({ description: 'The newest version, that of `rules`.' }),
    rules: ProfileRules,
    dateCreated: InstantOut,
  })
  .meta({ id: 'Profile' });
export type ProfileView = z.output<typeof ProfileView>;

export const ProfileVersionView = z
  .object({
    version: z.int(),
    rules: ProfileRules,
    author: z.string().nullable().meta({ description: 'User name; null for the program.' }),
    dateCreated: InstantOut,
  })
  .meta({ id: 'ProfileVersion' });
export type ProfileVersionView = z.output<typeof ProfileVersionView>;

/** A profile with the rules of its newest version. */
export interface ProfileWithRules extends Profile {
  rules: ProfileRules;
}

export function profileView({ createdAt, ...profile }: ProfileWithRules): ProfileView {
  const { id, name, description, active, builtIn, version, rules } = profile;
  return { id, name, description, active, builtIn, version, rules, dateCreated: instant(createdAt) };
}

export function profileVersionView({ version, rules, author, createdAt }: ProfileVersion): ProfileVersionView {
  return { version, rules, author, dateCreated: instant(createdAt) };
}

export const ProfileQuery = listQuery('id', 'name', 'active');
