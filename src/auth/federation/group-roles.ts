import { builtInRoles, isReserved } from '../../roles/role-name.js';

/** How groups elsewhere become roles here. */
export interface GroupRules {
  /** False: groups give nothing. */
  assign: boolean;
  mapping: readonly { group: string; role: string }[];
  prefix: string;
  suffix: string;
  /** Mail domains, lower case, in which a group's name is the address of an owner. */
  ownerDomains: readonly string[];
  /** Roles to which the settings give a meaning, whatever their case. */
  named: readonly string[];
}

/** The names of the roles that groups give. */
export interface Grants {
  /** Named by the operator, whatever they are: a role that exists already too. */
  given: readonly string[];
  /** Named by the group: only a role that groups made, never one that was made here. */
  ofGroups: readonly string[];
}

const longestName = 128;
const mostGroups = 1000;

/**
 * What these groups give. A group that is mapped gives the roles it is mapped to and nothing else. Any other gives the
 * role of its own name, between prefix and suffix, unless that name is or looks like a built-in one, is one that the
 * settings name, is an address outside of the owner domains, or has the form of an authority's own roles. Beyond a
 * thousand groups the rest gives nothing.
 */
export function grantsOf(groups: readonly string[], rules: GroupRules): Grants {
  if (!rules.assign) return { given: [], ofGroups: [] };
  const known = [...new Set(groups)].slice(0, mostGroups);
  const mapped = known.map((group) => ({
    group,
    roles: rules.mapping.filter((pair) => pair.group === group).map(({ role }) => role),
  }));
  const meant = new Set(rules.named.map((name) => name.toLowerCase()));
  const names = mapped
    .filter(({ roles }) => roles.length === 0)
    .map(({ group }) => `${rules.prefix}${group.trim()}${rules.suffix}`)
    .filter((name) => isPossible(name) && !meant.has(name.toLowerCase()));
  const owners = names.filter((name) => isAddressIn(rules.ownerDomains, name)).map((name) => name.toLowerCase());
  const others = names.filter((name) => !looksLikeAddress(name) && !/_(admin|operator)$/i.test(name));
  return { given: distinct([...mapped.flatMap(({ roles }) => roles), ...owners]), ofGroups: distinct(others) };
}

/**
 * Makes the rules. Throws when a mapping names something that is like a built-in role and is none: a slip that would
 * otherwise give nothing.
 */
export function groupRules(rules: GroupRules): GroupRules {
  for (const { role } of rules.mapping) {
    if (isReserved(role) && !Object.hasOwn(builtInRoles, role))
      throw new Error(
        `IDP_ROLES_MAPPING: ${role} is no role; the built-in ones are ${Object.keys(builtInRoles).join(', ')}.`,
      );
    if (role.length > longestName) throw new Error(`IDP_ROLES_MAPPING: a role has at most ${longestName} characters.`);
  }
  return rules;
}

function isPossible(name: string): boolean {
  return name.length > 0 && name.length <= longestName && !/\p{Cc}/u.test(name) && !isReserved(name);
}

// NFKC: the sign has a full-width and a small form.
const looksLikeAddress = (name: string): boolean => name.normalize('NFKC').includes('@');

function isAddressIn(domains: readonly string[], name: string): boolean {
  const [, domain] = /^[!-?A-~]+@([a-z0-9.-]+)$/i.exec(name) ?? [];
  return domain !== undefined && domains.includes(domain.toLowerCase());
}

function distinct(names: readonly string[]): string[] {
  return [...new Map(names.map((name) => [name.toLowerCase(), name])).values()];
}
