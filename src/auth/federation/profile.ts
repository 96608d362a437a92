import type { Way } from '../sessions.js';

/** What an identity provider says of a person, once it has been proved that it does. */
export interface Profile {
  way: Exclude<Way, 'password'>;
  issuer: string;
  subject: string;
  /** The name that the provider knows; empty when it tells none. */
  username: string;
  /** Lower case, and only when the provider vouches for it; null otherwise. */
  email: string | null;
  groups: readonly string[];
}

/** Whom a provider may let in. */
export interface Admission {
  /** Whether someone who is new here becomes a user. */
  createUsers: boolean;
  /** Whether someone who is new to the provider's list may take over the user with the same address. */
  linkByEmail: boolean;
}

/** Why somebody whom the provider knows is not let in. Its message is for the audit log and for an administrator. */
export class Refusal extends Error {
  override name = 'Refusal';
}
