import type { Actor } from '../platform/http/actor.js';
import { OwnerName } from './role-name.js';

/** A role whose name is an e-mail address, and which can therefore own things. */
type Team = Pick<Actor['roles'][number], 'id' | 'name'>;

/**
 * The team of a user: the role named as the user's e-mail address, else the first of the user's other teams by id. Null
 * for a user without a team.
 */
export function teamOf({ email, roles }: Pick<Actor, 'email' | 'roles'>): Team | null {
  const teams = roles.filter(({ name }) => OwnerName.safeParse(name).success).sort((a, b) => a.id - b.id);
  return teams.find(({ name }) => name.toLowerCase() === email.toLowerCase()) ?? teams[0] ?? null;
}

/**
 * The owner of what a user makes where the request names none: the team, else the user's e-mail address. Null for an
 * address that no mail reaches, such as that of the first administrator.
 */
export function ownerFor(actor: Pick<Actor, 'email' | 'roles'>): string | null {
  return teamOf(actor)?.name ?? OwnerName.safeParse(actor.email).data ?? null;
}
