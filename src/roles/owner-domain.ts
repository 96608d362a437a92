import type { Config } from '../platform/config.js';
import { invalid } from '../platform/http/problem.js';

/** True when OWNER_DOMAINS lets mails go to this owner: an e-mail address, lower case. */
export function isAllowedOwner(owner: string, { ownerDomains }: Pick<Config, 'ownerDomains'>): boolean {
  return ownerDomains.length === 0 || ownerDomains.includes(owner.slice(owner.lastIndexOf('@') + 1));
}

/** To name an owner who was not one before. Throws Problem `invalid-request`. */
export function demandAllowedOwner(owner: string, config: Pick<Config, 'ownerDomains'>): void {
  if (isAllowedOwner(owner, config)) return;
  throw invalid('owner', `${owner} is in none of the domains ${config.ownerDomains.join(', ')}.`);
}
