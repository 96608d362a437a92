import type { Client, Entry } from 'ldapts';
import { inFilter } from './ldap-text.js';

/** Microsoft's LDAP_MATCHING_RULE_IN_CHAIN: also matches members of nested groups. */
const inChain = '1.2.840.113556.1.4.1941';
const mostLevels = 20;
const mostGroups = 1000;
/** The maximum number of members in one filter. */
const atOnce = 50;

/** The member and the search base. `uid` is the login name as stored in the directory. */
export interface GroupSearch {
  dn: string;
  uid: string;
  base: string;
  activeDirectory: boolean;
}

/**
 * The names (cn) of the groups of a member, including nested groups; cycles and depth are bounded. Skips groups with
 * several names, because someone who can add a name to a group could choose the name of another group.
 */
export async function groupNames(client: Client, { dn, uid, base, activeDirectory }: GroupSearch): Promise<string[]> {
  if (activeDirectory) return namesOf(await search(client, base, `(member:${inChain}:=${inFilter(dn)})`));
  const found = new Map<string, Entry>();
  let filters = [`${memberFilter(dn)}(memberUid=${inFilter(uid)})`];
  for (let level = 0; level < mostLevels && filters.length > 0 && found.size < mostGroups; level += 1) {
    const fresh: Entry[] = [];
    for (let i = 0; i < filters.length; i += atOnce)
      fresh.push(...(await search(client, base, `(|${filters.slice(i, i + atOnce).join('')})`)));
    const unknown = fresh.filter((entry) => !found.has(entry.dn.toLowerCase()));
    for (const entry of unknown) found.set(entry.dn.toLowerCase(), entry);
    filters = unknown.map((entry) => memberFilter(entry.dn));
  }
  return namesOf([...found.values()]);
}

async function search(client: Client, base: string, filter: string): Promise<Entry[]> {
  const { searchEntries } = await client.search(base, { scope: 'sub', filter, attributes: ['cn'], paged: true });
  return searchEntries;
}

const memberFilter = (dn: string): string => `(member=${inFilter(dn)})(uniqueMember=${inFilter(dn)})`;

function namesOf(groups: readonly Entry[]): string[] {
  return groups
    .slice(0, mostGroups)
    .flatMap(({ cn }) => (typeof cn === 'string' ? [cn] : Array.isArray(cn) && cn.length === 1 ? [String(cn[0])] : []));
}
