import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminPassword, startProgram, type TestProgram } from '../../../test/support/program.js';
import { slapdIsInstalled, startSlapd, type TestSlapd } from '../../../test/support/slapd.js';
import { loadConfig } from '../../platform/config.js';
import { LdapClient } from './ldap.client.js';
import { inDn, inFilter, withUsername } from './ldap-text.js';

/** For what the directory logs. */
const patient = { timeout: 90_000 };
const people = 'ou=people,dc=example,dc=com';
const groups = 'ou=groups,dc=example,dc=com';
const person = (uid: string, more = ''): string =>
  `dn: uid=${uid},${people}\nobjectClass: inetOrgPerson\nuid: ${uid}\ncn: ${uid}\nsn: ` +
  `${uid}\nmail: ${uid}@example.com\nuserPassword: pass-${uid}\n${more}`;
const group = (cn: string, ...members: string[]): string => {
  const lines = members.map((member) => `member: ${member}\n`);
  return `dn: cn=${cn},${groups}\nobjectClass: groupOfNames\ncn: ${cn}\n${lines.join('')}`;
};
const uid = (name: string): string => `uid=${name},${people}`;
const cn = (name: string): string => `cn=${name},${groups}`;

const ldif = [
  'dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n',
  `dn: ${people}\nobjectClass: organizationalUnit\nou: people\n`,
  `dn: ${groups}\nobjectClass: organizationalUnit\nou: groups\n`,
  'dn: ou=other,dc=example,dc=com\nobjectClass: organizationalUnit\nou: other\n',
  'dn: cn=reader,dc=example,dc=com\nobjectClass: organizationalRole\nobjectClass: ' +
    'simpleSecurityObject\ncn: reader\nuserPassword: pass-reader\n',
  person('ada'),
  person('bea'),
  person('cid'),
  person('admin'),
  person('twin'),
  person('nomail').replace(/mail: .*\n/, ''),
  `dn: uid=twin,ou=other,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: ` +
    `twin\ncn: twin\nsn: twin\nmail: other@example.com\nuserPassword: pass-other\n`,
  'dn:: dWlkPXrDqS4xXCwyLG91PXBlb3BsZSxkYz1leGFtcGxlLGRjPWNvbQ==\nobjectClass: ' +
    'inetOrgPerson\nuid:: esOpLjEsMg==\ncn: ze\nsn: ze\nmail: ze@example.com\nuserPassword: ' +
    'pass-ze\n',
  group('pki', uid('ada'), uid('admin'), cn('inner'), cn('circle')),
  group('inner', uid('bea')),
  group('circle', cn('pki')),
  group('pki-admins', uid('ada')),
  group('read-only', uid('ada')),
  `dn: cn=posix,${groups}\nobjectClass: posixGroup\ncn: posix\ngidNumber: 100\nmemberUid: ada\n`,
  `dn: cn=two,${groups}\nobjectClass: groupOfNames\ncn: two\ncn: pki-ops\nmember: ${uid('ada')}\n`,
].join('\n');

describe('text in filters and names', () => {
  it.each([
    ['*', '\\2a', '\\2a'],
    ['a)(uid=*', 'a\\29\\28uid=\\2a', 'a\\29\\28uid\\3d\\2a'],
    ['a,ou=other', 'a,ou=other', 'a\\2cou\\3dother'],
    ['a\\2a', 'a\\5c2a', 'a\\5c2a'],
    ['é', 'é', '\\c3\\a9'],
    ['a\u0000b', 'a\\00b', 'a\\00b'],
    [' #a+b ', ' #a+b ', '\\20\\23a\\2bb\\20'],
    ['joe', 'joe', 'joe'],
  ])('%j means itself', (text, filter, dn) => {
    expect([inFilter(text), inDn(text)]).toEqual([filter, dn]);
  });

  it('takes a name for nothing else', () => {
    expect(withUsername('uid={username},ou=x', '$&{username}', inDn)).toBe('uid=\\24\\26\\7busername\\7d,ou=x');
  });
});

describe.skipIf(!slapdIsInstalled())('a directory', () => {
  let slapd: TestSlapd;
  let program: TestProgram;
  beforeAll(async () => {
    slapd = await startSlapd(ldif);
    program = await startProgram({
      PERENNIAL_ROLE: 'api',
      LDAP_URL: slapd.tlsUrl,
      LDAP_CA: slapd.caPem,
      LDAP_BASE: people,
      LDAP_BIND_DN: 'cn=reader,dc=example,dc=com',
      LDAP_BIND_PASSWORD: 'pass-reader',
      LDAP_GROUP_BASE: groups,
      LDAP_REQUIRED_GROUP: 'PKI',
      LDAP_TIMEOUT_S: '15',
      IDP_ROLES_MAPPING: 'pki-admins=admin, pki-ops=operator',
    });
  });
  afterAll(async () => {
    await program.stop();
    await slapd.remove();
  });

  const settings = (more: Record<string, string> = {}): Record<string, string> => ({
    LDAP_URL: slapd.namedUrl,
    LDAP_CA: slapd.caPem,
    LDAP_BASE: people,
    LDAP_USER_DN: `uid={username},${people}`,
    LDAP_GROUP_BASE: groups,
    LDAP_TIMEOUT_S: '15',
    ...more,
  });
  const client = (more?: Record<string, string>): LdapClient => new LdapClient(loadConfig(settings(more)));
  const login = (username: string, password: string): ReturnType<TestProgram['call']> => {
    program.clock.advance(31_000);
    return program.call('POST', '/auth/login', { username, password }, { token: null });
  };
  const me = async (token: string, asked = program): Promise<{ username: string; email: string; roles: string[] }> => {
    const { body } = await asked.call('GET', '/auth/me', undefined, { token });
    return {
      username: body.username,
      email: body.email,
      roles: body.roles.map(({ name }: { name: string }) => name).sort(),
    };
  };
  const lastEvent = async (): Promise<{ action: string; after: object }> =>
    (
      await program.database.source.query<[{ action: string; after: object }]>(
        `select action, after from audit_event where action like 'session.%' order by id desc limit 1`,
      )
    )[0];

  it('lets its people in and gives them the roles of their groups', async () => {
    const { status, body } = await login('ADA', 'pass-ada');
    expect(status).toBe(200);
    expect(await me(body.token)).toEqual({
      username: 'ada',
      email: 'ada@example.com',
      roles: ['admin', 'circle', 'pki', 'posix'],
    });
    expect(await lastEvent()).toEqual({ action: 'session.opened', after: { way: 'ldap' } });
  });

  it('finds groups through groups, circles or not', async () => {
    const { body } = await login('bea', 'pass-bea');
    expect((await me(body.token)).roles).toEqual(['circle', 'inner', 'pki']);
  });

  it('does not say whose owner role somebody holds, unless the settings trust its addresses', async () => {
    const rolesWith = async (
      env: Record<string, string>,
      before: (other: TestProgram) => Promise<unknown> = async () => undefined,
    ): Promise<string[][]> => {
      const other = await startProgram({ PERENNIAL_ROLE: 'api', ...settings(env) });
      try {
        await before(other);
        // Twice: what was given at the first sign-in stays.
        return [
          await me(await other.login('bea', 'pass-bea'), other),
          await me(await other.login('bea', 'pass-bea'), other),
        ].map(({ roles }) => roles.filter((role) => role.includes('@')));
      } finally {
        await other.stop();
      }
    };
    expect(await rolesWith({})).toEqual([[], []]);
    expect(await rolesWith({ LDAP_TRUST_EMAIL: 'true' })).toEqual([['bea@example.com'], ['bea@example.com']]);
    expect(
      await rolesWith({ LDAP_TRUST_EMAIL: 'true' }, (other) => other.ok('POST', '/roles', { name: 'bea@example.com' })),
    ).toEqual([[], []]);
  });

  it.each([
    ['ada', 'pass-bea'],
    ['ada', ' '],
    ['nobody', 'x'],
    ['reader', 'pass-reader'],
    ['PLAIN', 'x'],
    ['*', 'pass-ada'],
    ['ad*', 'pass-ada'],
    ['ada)(uid=*', 'pass-ada'],
    [`ada,${people}`, 'pass-ada'],
  ])('refuses %s with %s', async (username, password) => {
    expect((await login(username, password)).status).toBe(401);
    expect(await lastEvent()).toMatchObject({ action: 'session.refused', after: { way: 'ldap' } });
  });

  it('keeps out who is not in the required group, and says why in the audit log alone', async () => {
    expect(await login('cid', 'pass-cid')).toMatchObject({
      status: 401,
      body: { detail: 'The name or the password is wrong.' },
    });
    expect((await lastEvent()).after).toEqual({ way: 'ldap', reason: 'Not in the group PKI.' });
  });

  it('never makes somebody the user who has the same name here', async () => {
    const { body } = await login('admin', 'pass-admin');
    expect(await me(body.token)).toMatchObject({ username: 'admin@example.com', roles: ['circle', 'pki'] });
    expect((await me((await login('admin', adminPassword)).body.token)).email).toBe('admin@localhost');
  });

  it('is not asked for those who have a password here', async () => {
    const { length } = slapd.log();
    expect((await login('admin', adminPassword)).status).toBe(200);
    expect(slapd.log().slice(length)).not.toContain('filter="(uid=admin)"');
  });

  it('keeps a deactivated user out', async () => {
    const { items } = await program.ok('GET', '/users?filter=username;bea');
    await program.ok('PUT', `/users/${items[0].id}`, { active: false });
    expect((await login('bea', 'pass-bea')).status).toBe(401);
    await program.ok('PUT', `/users/${items[0].id}`, { active: true });
    expect((await login('bea', 'pass-bea')).status).toBe(200);
  });

  it('may be down or hang: local users sign in, others are told', async () => {
    await slapd.stop();
    expect((await login('ada', 'pass-ada')).status).toBe(503);
    expect(await lastEvent()).toEqual({
      action: 'session.refused',
      after: { way: 'ldap', reason: 'The directory failed.' },
    });
    expect((await login('admin', adminPassword)).status).toBe(200);
    await slapd.start();
    slapd.freeze();
    expect((await login('ada', 'pass-ada')).status).toBe(503);
    expect((await login('admin', adminPassword)).status).toBe(200);
    slapd.thaw();
    expect((await login('ada', 'pass-ada')).status).toBe(200);
  });

  describe('bound to as the person', () => {
    it('knows a person by entryUUID, with StartTLS', async () => {
      const { length } = slapd.log();
      expect(await client().profileOf('ada', 'pass-ada')).toMatchObject({
        way: 'ldap',
        issuer: `ldap:${people}`,
        subject: expect.stringMatching(/^entryUUID:[0-9a-f-]{36}$/),
        username: 'ada',
        email: 'ada@example.com',
        groups: expect.arrayContaining(['pki', 'pki-admins', 'posix']),
      });
      await expect
        .poll(() => slapd.log().slice(length), patient)
        .toMatch(/STARTTLS[^]*TLS established[^]*BIND dn="uid=ada/);
    });

    it('does not take an empty password for a sign-in (RFC 4513 §5.1.2)', async () => {
      const { length } = slapd.log();
      expect(await client().profileOf('ada', '')).toBeNull();
      expect(await client().profileOf('', 'x')).toBeNull();
      expect(slapd.log().slice(length)).not.toContain('BIND dn=');
    });

    it('writes any name into a DN as it is', async () => {
      expect(await client().profileOf('zé.1,2', 'pass-ze')).toMatchObject({
        username: 'zé.1,2',
        email: 'ze@example.com',
      });
      for (const name of [`ada,${people}`, 'ada,dc=example', 'x+uid=ada', 'ada\u0000', '*'])
        expect(await client().profileOf(name, 'pass-ada'), name).toBeNull();
    });

    it('takes nobody when the name leads to two, and tries the password on the entry that is found', async () => {
      const everywhere = { LDAP_BASE: 'dc=example,dc=com' };
      expect(await client(everywhere).profileOf('twin', 'pass-twin')).toBeNull();
      // Who binds as one must not be taken for another, to whom the filter leads.
      expect(
        await client({ LDAP_USER_FILTER: '(&(cn=bea)(!(uid={username})))' }).profileOf('ada', 'pass-ada'),
      ).toBeNull();
    });

    it('does not count a group by a second name that somebody gave it', async () => {
      expect((await client().profileOf('ada', 'pass-ada'))?.groups).not.toContain('pki-ops');
    });

    it('asks an Active Directory for nested groups by its own rule', async () => {
      const { length } = slapd.log();
      await client({ LDAP_ACTIVE_DIRECTORY: 'true', LDAP_USER_FILTER: '(uid={username})' }).profileOf(
        'ada',
        'pass-ada',
      );
      // OpenLDAP does not know the rule; it writes the filter down as undefined, and asked for once.
      const rule = '(undefined|member:1\\.2\\.840\\.113556\\.1\\.4\\.1941:=uid=ada)';
      const search = RegExp(`SRCH base="${groups}" scope=2[^\\n]*filter="\\(\\?=${rule}`, 'i');
      await expect.poll(() => slapd.log().slice(length), patient).toMatch(search);
    });

    it('has no address without one', async () => {
      expect(await client().profileOf('nomail', 'pass-nomail')).toMatchObject({ email: null });
    });

    it('makes no principal name of what is none', async () => {
      const { length } = slapd.log();
      expect(await client({ LDAP_USER_DN: '{username}@corp.example.com' }).profileOf('eve@other', 'x')).toBeNull();
      expect(slapd.log().slice(length)).not.toContain('BIND dn=');
    });
  });

  describe('reached over TLS', () => {
    const refused = (more: Record<string, string>): Promise<void> =>
      expect(client(more).profileOf('ada', 'pass-ada')).rejects.toThrow();

    it('must have a certificate of the CA that was named', async () => {
      await refused({ LDAP_CA: '' });
      await refused({ LDAP_CA: '', LDAP_URL: slapd.tlsUrl });
    });

    it('must have a certificate for the host that was named', async () => {
      await refused({ LDAP_URL: slapd.plainUrl });
      await refused({ LDAP_URL: slapd.tlsUrl.replace('localhost', '127.0.0.1') });
    });

    it('is spoken to in the clear only where that is wanted', async () => {
      expect(
        await client({ LDAP_URL: slapd.plainUrl, LDAP_START_TLS: 'false' }).profileOf('ada', 'pass-ada'),
      ).toMatchObject({ username: 'ada' });
    });

    it('and fails when the service account is not taken', async () => {
      await expect(
        new LdapClient(
          loadConfig({
            LDAP_URL: slapd.tlsUrl,
            LDAP_CA: slapd.caPem,
            LDAP_BASE: people,
            LDAP_BIND_DN: 'cn=reader,dc=example,dc=com',
            LDAP_BIND_PASSWORD: 'wrong',
          }),
        ).profileOf('ada', 'pass-ada'),
      ).rejects.toThrow('service account');
    });
  });
});
