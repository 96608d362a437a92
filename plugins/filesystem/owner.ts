import { readFile } from 'node:fs/promises';
import { PluginError } from '../../src/plugin-api/errors.js';

/** Numeric Unix owner of a file. */
export interface Owner {
  uid: number;
  gid: number;
}

/** The contents of the two account files, `passwd(5)` and `group(5)`. */
export interface Accounts {
  passwd: string;
  group: string;
}

/** Reads the local account files. Accounts of a directory service must be given as numbers. */
export async function localAccounts(): Promise<Accounts> {
  const [passwd, group] = await Promise.all([readFile('/etc/passwd', 'utf8'), readFile('/etc/group', 'utf8')]);
  return { passwd, group };
}

/**
 * Resolves `user`, `user:group` or `uid:gid`; a user alone implies the primary group. Throws `misconfigured` for
 * unknown names.
 */
export function resolveOwner(owner: string, accounts: Accounts): Owner {
  const [user = '', group] = owner.split(':');
  const account = rows(accounts.passwd).find(([name, , uid]) => name === user || uid === user);
  const uid = isNumber(user) ? user : account?.[2];
  if (uid === undefined) throw new PluginError('misconfigured', `There is no user "${user}" on this machine.`);
  const gid = group === undefined ? account?.[3] : groupId(group, accounts.group);
  if (gid === undefined)
    throw new PluginError('misconfigured', `There is no group for owner "${owner}" on this machine.`);
  return { uid: Number(uid), gid: Number(gid) };
}

function groupId(group: string, groups: string): string | undefined {
  return isNumber(group) ? group : rows(groups).find(([name]) => name === group)?.[2];
}

function rows(text: string): string[][] {
  return text.split('\n').map((line) => line.split(':'));
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}
