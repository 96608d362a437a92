import type { Way } from '../sessions.js';

/** A person whom an identity provider has authenticated. */
export interface Profile {
  way: Exclude<Way, 'password'>;
  issuer: string;
  subject: string;
  /** User name at the provider; empty if unknown. */
  username: string;
  /** Verified address, in lower case; null if the provider has not verified one. */
  email: string | null;
  groups: readonly string[];
}

/** Who may sign in at a provider besides users that are linked already. */
export interface Admission {
  /** True to create a user for an unknown address. */
  createUsers: boolean;
  /** True to link an existing user with the same address. */
  linkByEmail: boolean;
}

/** A refused sign-in. The message is for the audit log; people see it only after the provider authenticated them. */
export class Refusal extends Error {
  override name = 'Refusal';
}
