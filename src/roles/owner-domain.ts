import type { Config } from '../platform/config.js';
import { invalid } from '../platform/http/problem.js';

/** True if OWNER_DOMAINS is empty or contains the domain of `owner`, a lower-case e-mail address. */
export function isAllowedOwner(owner: string, { ownerDomains }: Pick<Config, 'ownerDomains'>): boolean {
  return ownerDomains.length === 0 || ownerDomains.includes(owner.slice(owner.lastIndexOf('@') + 1));
}

/** Checks a new owner of an object; existing owners stay valid. Throws Problem `invalid-request`. */
export function demandAllowedOwner(owner: string, config: Pick<Config, 'ownerDomains'>): void {
  if (isAllowedOwner(owner, config)) return;
  throw invalid('owner', `${owner} is not in an allowed domain: ${config.ownerDomains.join(', ')}.`);
}
