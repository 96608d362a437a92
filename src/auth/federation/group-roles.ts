import { builtInRoles, isReserved } from '../../roles/role-name.js';

/** How groups of an identity provider map to roles. */
export interface GroupRules {
  /** False: groups give no roles. */
  assign: boolean;
  mapping: readonly { group: string; role: string }[];
  prefix: string;
  suffix: string;
  /** Mail domains, lower case, in which a group's name is the address of an owner. */
  ownerDomains: readonly string[];
  /** Roles that the settings refer to, in any case. */
  named: readonly string[];
}

/** The names of the roles that groups give. */
export interface Grants {
  /** Roles that the operator named; any role. */
  given: readonly string[];
  /** Roles with the name of the group; only third-party roles, never one that was created here. */
  ofGroups: readonly string[];
}

const longestName = 128;
const mostGroups = 1000;

/**
 * The roles of these groups. A mapped group gives only the roles it is mapped to. Any other group gives the role of its
 * own name, with prefix and suffix, unless this name is or looks like a built-in role, is referred to by the settings,
 * is an address outside the owner domains, or has the format of an authority's roles. Ignores all but the first
 * thousand groups.
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
 * Checks the rules. Throws if a mapping names a role that only looks like a built-in one, which would have no effect.
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

// NFKC also maps the full-width and the small form of the sign.
const looksLikeAddress = (name: string): boolean => name.normalize('NFKC').includes('@');

function isAddressIn(domains: readonly string[], name: string): boolean {
  const [, domain] = /^[!-?A-~]+@([a-z0-9.-]+)$/i.exec(name) ?? [];
  return domain !== undefined && domains.includes(domain.toLowerCase());
}

function distinct(names: readonly string[]): string[] {
  return [...new Map(names.map((name) => [name.toLowerCase(), name])).values()];
}
