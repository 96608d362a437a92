import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { Injectable } from '@nestjs/common';
import {
  Client,
  DN,
  type Entry,
  InappropriateAuthError,
  InvalidCredentialsError,
  InvalidDNSyntaxError,
  NoSuchObjectError,
  UnwillingToPerformError,
} from 'ldapts';
import { Config } from '../../platform/config.js';
import { groupNames } from './ldap-groups.js';
import { inDn, inFilter, withUsername } from './ldap-text.js';
import { type Profile, Refusal } from './profile.js';

/** The settings of a directory, with the defaults of its kind. */
interface Directory {
  url: URL;
  base: string;
  groupBase: string;
  filter: string;
  uidAttribute: string;
}

/** Errors that mean a wrong name or password, or a locked account. Any other error is a fault of the directory. */
const wrongCredentials = [
  InvalidCredentialsError,
  InappropriateAuthError,
  InvalidDNSyntaxError,
  NoSuchObjectError,
  UnwillingToPerformError,
];

/** Checks passwords against an LDAP directory or Active Directory, with a new connection for each check. */
@Injectable()
export class LdapClient {
  private readonly directory: Directory | null;

  constructor(private readonly config: Config) {
    this.directory = directoryOf(config);
  }

  /** False if no directory is configured. */
  get isOn(): boolean {
    return this.directory !== null;
  }

  /**
   * The profile for this name and password; null if they do not match. Binds as the entry that the name leads to, and
   * never with an empty password, which servers accept as an unauthenticated bind (RFC 4513 §5.1.2). Throws Refusal for
   * someone outside the required group, and any other error if the directory fails.
   */
  async profileOf(name: string, password: string): Promise<Profile | null> {
    const { directory } = this;
    if (!directory || password === '' || name === '') return null;
    return this.connected(directory, async (client) => {
      const asUser = this.bindNameOf(name);
      if (asUser === null) return null;
      if (asUser === undefined) await this.bindAsService(client);
      else if (!(await binds(client, asUser, password))) return null;
      const entry = await this.entryOf(client, directory, name);
      // Binds even without an entry, so that the response time reveals little.
      const matches = await binds(client, entry?.dn ?? `cn=${randomUUID()},${directory.base}`, password);
      if (!entry || !matches) return null;
      if (asUser === undefined) await this.bindAsService(client);
      return this.profile(client, directory, entry);
    });
  }

  private async profile(client: Client, { base, groupBase, uidAttribute }: Directory, entry: Entry): Promise<Profile> {
    const { ldapActiveDirectory: activeDirectory, ldapRequiredGroup: required, ldapEmailAttribute } = this.config;
    const username = firstText(entry, uidAttribute);
    const groups = await groupNames(client, { dn: entry.dn, uid: username, base: groupBase, activeDirectory });
    if (required !== undefined && !groups.some((group) => group.toLowerCase() === required.toLowerCase()))
      throw new Refusal(`Not in the group ${required}.`);
    const email = firstText(entry, ldapEmailAttribute).toLowerCase();
    return {
      way: 'ldap',
      issuer: `ldap:${base.toLowerCase()}`,
      subject: subjectOf(entry),
      username,
      email: email === '' ? null : email,
      groups,
    };
  }

  /** The entry of the name; undefined if there is none or more than one. */
  private async entryOf(
    client: Client,
    { base, filter, uidAttribute }: Directory,
    name: string,
  ): Promise<Entry | undefined> {
    const { searchEntries } = await client.search(base, {
      scope: 'sub',
      filter: withUsername(filter, name, inFilter),
      paged: { pageSize: 10 },
      explicitBufferAttributes: ['objectGUID'],
      attributes: [uidAttribute, this.config.ldapEmailAttribute, 'entryUUID', 'objectGUID'],
    });
    const [entry, another] = searchEntries;
    return another === undefined && entry?.dn !== '' ? entry : undefined;
  }

  /** The name to bind as; undefined if the service account binds first, null if the name is not possible. */
  private bindNameOf(name: string): string | null | undefined {
    const { ldapUserDn } = this.config;
    if (ldapUserDn === undefined) return undefined;
    if (ldapUserDn.includes('=')) return withUsername(ldapUserDn, name, inDn);
    // A principal name has no escape syntax.
    return /^[\p{L}\p{N}._ -]+$/u.test(name) ? withUsername(ldapUserDn, name, String) : null;
  }

  private async bindAsService(client: Client): Promise<void> {
    const { ldapBindDn = '', ldapBindPassword = '' } = this.config;
    await client.bind(ldapBindDn, ldapBindPassword).catch((error: unknown) => {
      throw new Error('The LDAP server refused the service account.', { cause: error });
    });
  }

  /** Runs `work` on a connection, all within LDAP_TIMEOUT_S. */
  private async connected<T>({ url }: Directory, work: (client: Client) => Promise<T>): Promise<T> {
    const timeoutMs = this.config.ldapTimeoutS * 1000;
    const tls = this.tlsOptions(url);
    const client = new Client({
      url: url.href,
      timeout: timeoutMs,
      connectTimeout: timeoutMs,
      ...(url.protocol === 'ldaps:' && { tlsOptions: tls }),
    });
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), timeoutMs);
    const late = new Promise<never>((_, reject) => {
      deadline.signal.addEventListener('abort', () => reject(new Error('The LDAP server did not answer in time.')));
    });
    const asked = this.secured(client, url, tls).then(() => work(client));
    try {
      return await Promise.race([asked, late]);
    } finally {
      clearTimeout(timer);
      asked.catch(() => undefined);
      client.unbind().catch(() => undefined);
    }
  }

  private async secured(client: Client, { protocol }: URL, tls: ConnectionOptions): Promise<void> {
    if (protocol === 'ldap:' && this.config.ldapStartTls) await client.startTLS(tls);
  }

  /** `host` is required: without it StartTLS would check the certificate against `localhost`. */
  private tlsOptions({ hostname }: URL): ConnectionOptions {
    const host = hostname.replace(/^\[|\]$/g, '');
    const { ldapCa } = this.config;
    return {
      host,
      minVersion: 'TLSv1.2',
      ...(isIP(host) === 0 && { servername: host }),
      ...(ldapCa !== undefined && { ca: ldapCa }),
    };
  }
}

function directoryOf(config: Config): Directory | null {
  const { ldapUrl, ldapBase, ldapGroupBase, ldapUserFilter, ldapActiveDirectory } = config;
  if (ldapUrl === undefined || ldapBase === undefined) return null;
  const uidAttribute = ldapActiveDirectory ? 'sAMAccountName' : 'uid';
  return {
    url: new URL(ldapUrl),
    base: ldapBase,
    groupBase: ldapGroupBase ?? ldapBase,
    filter: ldapUserFilter ?? `(${uidAttribute}={username})`,
    uidAttribute,
  };
}

/**
 * True if the server accepts the password. Binds with a DN object, because the library reads text as a SASL mechanism.
 */
async function binds(client: Client, name: string, password: string): Promise<boolean> {
  try {
    await client.bind(verbatim(name), password);
    return true;
  } catch (error) {
    if (wrongCredentials.some((kind) => error instanceof kind)) return false;
    throw error;
  }
}

function verbatim(name: string): DN {
  return Object.assign(new DN(), { toString: () => name });
}

/** An identifier that is never reused for another entry: objectGUID, else entryUUID, else the DN. */
function subjectOf(entry: Entry): string {
  const { objectGUID: guid } = entry;
  if (Buffer.isBuffer(guid) && guid.length > 0) return `objectGUID:${guid.toString('hex')}`;
  const uuid = firstText(entry, 'entryUUID');
  return uuid === '' ? `dn:${entry.dn.toLowerCase()}` : `entryUUID:${uuid.toLowerCase()}`;
}

/** The first value; empty if there is none. Attribute names are case-insensitive (RFC 4512 §2.5). */
function firstText(entry: Entry, attribute: string): string {
  const [, value] = Object.entries(entry).find(([name]) => name.toLowerCase() === attribute.toLowerCase()) ?? [];
  const [first] = Array.isArray(value) ? value : [value];
  return typeof first === 'string' ? first.trim() : '';
}
