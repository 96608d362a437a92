import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { Config, ConfigError, loadConfig } from './config.js';

const folder = mkdtempSync(join(tmpdir(), 'perennial-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: string): string {
  const path = join(folder, String(Math.random()));
  writeFileSync(path, content);
  return path;
}

function faultsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

const key = Buffer.alloc(32, 7).toString('base64');

describe('METRICS_LISTEN', () => {
  it.each([
    ['127.0.0.1:9090', { host: '127.0.0.1', port: 9090 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['metrics.internal:65535', { host: 'metrics.internal', port: 65535 }],
  ])('reads %s', (METRICS_LISTEN, address) => {
    expect(loadConfig({ METRICS_LISTEN }).metricsListen).toEqual(address);
  });

  it.each([
    '9090',
    ':9090',
    '127.0.0.1',
    '127.0.0.1:65536',
    '::1:9090',
    '[::1]',
    '[localhost]:1',
    'http://a:1',
    'a b:1',
  ])('refuses %s', (METRICS_LISTEN) => {
    expect(faultsOf({ METRICS_LISTEN })).toEqual([
      'METRICS_LISTEN: must be an address and a port such as 127.0.0.1:9090 or [::1]:9090',
    ]);
  });
});

describe('loadConfig', () => {
  it('needs nothing', () => {
    expect({ ...loadConfig({}) }).toEqual({
      port: 8080,
      pkiUrl: undefined,
      ocspValidityHours: 6,
      pkiRequestsPerSecond: 100,
      host: '127.0.0.1',
      publicUrl: 'http://127.0.0.1:8080',
      dataDir: resolve('data'),
      mailFrom: 'perennial@localhost',
      role: 'all',
      logLevel: 'info',
      defaultValidityDays: 365,
      allowWeekendExpiration: true,
      defaultRotationDays: 30,
      noticeDays: [30, 15, 2],
      securityNoticeDays: [30, 15, 2],
      weeklySummary: true,
      tokenLifetimeMinutes: 720,
      reloadCommands: {},
      serviceFiles: {},
      allowedFilesystemRoots: [],
      allowedPrivateHosts: [],
      noProxy: [],
      dnsResolvers: [],
      dialects: [],
      dnsPropagationCheck: 'authoritative',
      auditAnchorLog: true,
      auditAnchorMinutes: 60,
      trustedProxies: [],
      allowedDomains: [],
      sensitiveDomainRoles: [],
      knownBadKeys: new Set(),
      allowSharedKeys: false,
      reservedSubjects: ['O=system:masters'],
      authorityNoticeDays: [365, 180, 90, 30],
      ownerDomains: [],
      mailsToOthersPerHour: 200,
      notificationRecipientDomains: [],
      strictRoles: false,
      adminOnlyAuthorityCreation: true,
      hideExpiredAfterDays: 30,
      deploymentCheckHours: 24,
      revocationCheckHours: 24,
      sweepIntervalS: 20,
      endpointStaleAfterHours: 24,
      allowCertDeletion: false,
      oidcClientAuth: 'client_secret_basic',
      oidcTitle: 'Single sign-on',
      oidcScopes: 'openid email profile',
      oidcCallback: 'oidc/callback',
      oidcUsernameClaim: 'preferred_username',
      oidcGroupsClaim: 'groups',
      oidcCreateUsers: true,
      oidcLinkByEmail: false,
      oidcTrustEmail: false,
      oidcClockToleranceS: 30,
      oidcStateLifetimeS: 600,
      googleCreateUsers: false,
      ldapStartTls: true,
      ldapActiveDirectory: false,
      ldapEmailAttribute: 'mail',
      ldapCreateUsers: true,
      ldapLinkByEmail: false,
      ldapTrustEmail: false,
      ldapTimeoutS: 5,
      idpAssignRolesFromUserGroups: true,
      idpCreateRolesFromUserGroups: true,
      idpCreatePerUserRole: true,
      idpRolesMapping: [],
      idpRolesPrefix: '',
      idpRolesSuffix: '',
      idpOwnerDomains: [],
      laneLimits: [],
    });
  });

  it.each<[Record<string, string>, Partial<Config>]>([
    [
      { LANE_LIMITS: 'authority=8/60, destination:3=1' },
      {
        laneLimits: [
          { lane: 'authority', atOnce: 8, perMinute: 60 },
          { lane: 'destination:3', atOnce: 1 },
        ],
      },
    ],
    [{ HOST: '::', PORT: '1' }, { publicUrl: 'http://localhost:1' }],
    [{ HOST: '::1' }, { publicUrl: 'http://[::1]:8080' }],
    [{ PUBLIC_URL: 'https://pki.example/base/' }, { publicUrl: 'https://pki.example/base' }],
    [{ DATABASE_URL: 'postgresql://me@/db?host=/run/pg' }, { databaseUrl: 'postgresql://me@/db?host=/run/pg' }],
    [
      { DATABASE_URL: 'postgresql:///db?host=%2Frun%2Fpg&user=me' },
      { databaseUrl: 'postgresql:///db?host=%2Frun%2Fpg&user=me' },
    ],
    [{ NOTICE_DAYS: '2, 30,2,15' }, { noticeDays: [30, 15, 2], securityNoticeDays: [30, 15, 2] }],
    [{ SECURITY_NOTICE_DAYS: '60' }, { noticeDays: [30, 15, 2], securityNoticeDays: [60] }],
    [{ SECURITY_TEAM_EMAIL: 'a@b.example, root@localhost' }, { securityTeamEmail: ['a@b.example', 'root@localhost'] }],
    [{ ALLOW_WEEKEND_EXPIRATION: 'No' }, { allowWeekendExpiration: false }],
    [{ ALLOW_WEEKEND_EXPIRATION: '1' }, { allowWeekendExpiration: true }],
    [
      { ENCRYPTION_KEYS: `new:${key}, ${key}` },
      {
        encryptionKeys: [
          { id: 'new', key: Buffer.alloc(32, 7) },
          { id: null, key: Buffer.alloc(32, 7) },
        ],
      },
    ],
    [{ TOKEN_SECRETS: `${'a'.repeat(32)},${'b'.repeat(40)}` }, { tokenSecrets: ['a'.repeat(32), 'b'.repeat(40)] }],
    [
      { RELOAD_COMMANDS: '{"nginx":["/usr/sbin/nginx","-s","reload"]}' },
      { reloadCommands: { nginx: ['/usr/sbin/nginx', '-s', 'reload'] } },
    ],
    [
      { SERVICE_FILES: '{"https://k8s.example.com:6443":{"token":"/run/token","ca":"/run/ca.crt"}}' },
      { serviceFiles: { 'https://k8s.example.com:6443': { token: '/run/token', ca: '/run/ca.crt' } } },
    ],
    [
      { ALLOWED_DOMAINS: '.Example.com., *.bücher.example,10.0.0.0/8' },
      { allowedDomains: ['.example.com', '*.xn--bcher-kva.example', '10.0.0.0/8'] },
    ],
    [
      { ALLOWED_PRIVATE_HOSTS: 'Vault.internal, 10.0.0.0/8,::1,fd00::/8' },
      { allowedPrivateHosts: ['vault.internal', '10.0.0.0/8', '::1', 'fd00::/8'] },
    ],
    [
      { NO_PROXY: 'Example.com, .corp,*.lan,10.0.0.0/8,*' },
      { noProxy: ['example.com', '.corp', '*.lan', '10.0.0.0/8', '*'] },
    ],
    [
      { IDP_ROLES_MAPPING: 'pki-admins=admin, cn=web=web@example.com' },
      {
        idpRolesMapping: [
          { group: 'pki-admins', role: 'admin' },
          { group: 'cn=web', role: 'web@example.com' },
        ],
      },
    ],
    [
      { OIDC_ISSUER: 'http://127.0.0.1:9000', OIDC_CLIENT_ID: 'us', OIDC_SCOPES: 'openid,groups  email' },
      { oidcIssuer: 'http://127.0.0.1:9000', oidcScopes: 'openid groups email' },
    ],
    [{ PERENNIAL_ROLE: 'worker' }, { role: 'worker' }],
    [{ PORT: '', DATABASE_URL: '' }, { port: 8080 }],
  ])('reads %j', (env, expected) => {
    expect(loadConfig(env)).toMatchObject(expected);
  });

  it.each<[string, string]>([
    ['PORT', '65536'],
    ['LANE_LIMITS', 'authority'],
    ['LANE_LIMITS', 'authority=0'],
    ['LANE_LIMITS', 'authority=8/0'],
    ['PORT', '80a'],
    ['PORT', '-1'],
    ['PORT', '1e3'],
    ['PUBLIC_URL', 'ftp://x'],
    ['DATABASE_URL', 'mysql://x/y'],
    ['DATABASE_URL', 'localhost'],
    ['REDIS_URL', 'http://x'],
    ['SMTP_URL', 'mail.example'],
    ['MAIL_FROM', 'nobody'],
    ['ENCRYPTION_KEYS', 'c2hvcnQ='],
    ['ENCRYPTION_KEYS', `${key},`],
    ['ENCRYPTION_KEYS', `a b:${key}`],
    ['TOKEN_SECRETS', 'short'],
    ['PERENNIAL_ROLE', 'server'],
    ['LOG_LEVEL', 'loud'],
    ['DEFAULT_COUNTRY', 'Germany'],
    ['DEFAULT_VALIDITY_DAYS', '0'],
    ['ALLOW_WEEKEND_EXPIRATION', 'maybe'],
    ['NOTICE_DAYS', '30,x'],
    ['NOTICE_DAYS', '30;15'],
    ['NOTICE_DAYS', '30,0'],
    ['NOTICE_DAYS', '367'],
    ['SECURITY_NOTICE_DAYS', '0'],
    ['AUTHORITY_NOTICE_DAYS', '-1'],
    ['SECURITY_TEAM_EMAIL', 'a@b.example;c@d.example'],
    ['SWEEP_INTERVAL_S', '0'],
    ['SERVICE_FILES', 'token'],
    ['SERVICE_FILES', '{"k8s":{"token":"/run/token"}}'],
    ['SERVICE_FILES', '{"http://k8s.example.com":{"token":"/run/token"}}'],
    ['SERVICE_FILES', '{"https://k8s.example.com":{"token":"run/token"}}'],
    ['SERVICE_FILES', '{"https://k8s.example.com":{"key":"/run/token"}}'],
    ['RELOAD_COMMANDS', 'nginx'],
    ['RELOAD_COMMANDS', '[]'],
    ['RELOAD_COMMANDS', '{"a":[]}'],
    ['RELOAD_COMMANDS', '{"a":["nginx"]}'],
    ['RELOAD_COMMANDS', '{"a":"/bin/x"}'],
    ['OIDC_SCOPES', 'email'],
    ['OIDC_CALLBACK', 'elsewhere'],
    ['LDAP_USER_DN', 'uid=joe'],
    ['LDAP_USER_DN', '{username}'],
    ['LDAP_USER_FILTER', 'uid={username}'],
    ['LDAP_CA', 'x'],
    ['IDP_ROLES_MAPPING', 'admins'],
    ['IDP_ROLES_MAPPING', 'admins='],
    ['IDP_OWNER_DOMAINS', '@example.com'],
    ['GOOGLE_CLIENT_SECRET', 'x'],
    ['GOOGLE_CREATE_USERS', 'perhaps'],
    ['LDAP_BIND_DN', 'cn=x'],
    ['ALLOWED_DOMAINS', '^.*$'],
    ['RESERVED_SUBJECTS', 'system:masters'],
    ['KNOWN_BAD_KEYS', 'MII'],
    ['ALLOWED_PRIVATE_HOSTS', '10.0.0.0/33'],
    ['HTTPS_PROXY', 'socks5://proxy.example.com'],
    ['NO_PROXY', 'example.com,10.0.0.0/33'],
    ['ALLOWED_PRIVATE_HOSTS', '10.0.0'],
    ['ALLOWED_PRIVATE_HOSTS', 'http://x'],
    ['ALLOWED_PRIVATE_HOSTS', 'a,,b'],
    ['DEFAULT_STATE', 'x'.repeat(129)],
    ['DEFAULT_LOCATION', 'a\nb'],
    ['DEFAULT_ORGANIZATION', 'x'.repeat(65)],
    ['DEFAULT_ORGANIZATIONAL_UNIT', 'a\u0007b'],
  ])('refuses %s=%s', (name, value) => {
    const faults = faultsOf({ [name]: value });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(new RegExp(`^${name}[.:]| with ${name}$`));
  });

  it.each<[Record<string, string>, string]>([
    [{ OIDC_ISSUER: 'https://sso.example.com' }, 'OIDC_CLIENT_ID: is needed with OIDC_ISSUER'],
    [
      { OIDC_ISSUER: 'http://sso.example.com', OIDC_CLIENT_ID: 'us' },
      'OIDC_ISSUER: must be an https URL without query and fragment',
    ],
    [
      { OIDC_ISSUER: 'https://sso.example.com/?x', OIDC_CLIENT_ID: 'us' },
      'OIDC_ISSUER: must be an https URL without query and fragment',
    ],
    [
      { OIDC_ISSUER: 'sso.example.com', OIDC_CLIENT_ID: 'us' },
      'OIDC_ISSUER: must be a URL that starts with https:// or http://',
    ],
    [
      { GOOGLE_CREATE_USERS: 'yes' },
      'GOOGLE_HOSTED_DOMAIN: is needed with GOOGLE_CREATE_USERS, or anyone with a Google account could sign in',
    ],
    [
      { LDAP_URL: 'ldaps://ldap.example.com', LDAP_BASE: 'dc=example' },
      'LDAP_USER_DN: this or LDAP_BIND_DN is needed with LDAP_URL',
    ],
    [
      { LDAP_URL: 'ldaps://ldap.example.com', LDAP_USER_DN: 'uid={username},dc=example' },
      'LDAP_BASE: is needed with LDAP_URL',
    ],
  ])('says what is missing or unsafe in %j', (env, fault) => {
    expect(faultsOf(env)).toEqual([fault]);
  });

  it('tells every fault in one error', () => {
    const env = {
      PORT: 'x',
      LOG_LEVEL: 'loud',
      ADMIN_PASSWORD_FILE: join(folder, 'missing'),
      HOST: 'a',
      HOST_FILE: file('b'),
    };
    expect(() => loadConfig(env)).toThrow(
      /ADMIN_PASSWORD_FILE: cannot be read \(ENOENT\)[^]*PORT: must be a whole number from 0 to 65535[^]*LOG_LEVEL:/,
    );
    expect(faultsOf(env)).toHaveLength(4);
    expect(faultsOf(env)).toContain('HOST: is set, and so is HOST_FILE; set one of them');
  });

  it('never tells a value', () => {
    const env = {
      TOKEN_SECRETS: 'hunter2',
      ENCRYPTION_KEYS: 'hunter2',
      DATABASE_URL: 'mysql://u:hunter2@h/d',
      SMTP_URL: 'hunter2',
    };
    expect(faultsOf(env)).toHaveLength(4);
    expect(faultsOf(env).join()).not.toContain('hunter2');
    const config = loadConfig({ ADMIN_PASSWORD: 'hunter2' });
    expect(inspect(config) + JSON.stringify({ config })).not.toContain('hunter2');
  });

  it('reads each setting from a file', () => {
    const config = loadConfig({ ADMIN_PASSWORD_FILE: file(' correct horse \n'), PORT_FILE: file('81\n') });
    expect(config).toMatchObject({ adminPassword: 'correct horse', port: 81 });
  });

  it('gives a frozen Config', () => {
    const config = loadConfig({ RELOAD_COMMANDS: '{"a":["/bin/true"]}' });
    expect(config).toBeInstanceOf(Config);
    expect(() => Object.assign(config, { port: 1 })).toThrow(TypeError);
    expect(() => config.noticeDays.push(1)).toThrow(TypeError);
    expect(() => config.reloadCommands['a']?.push('x')).toThrow(TypeError);
  });
});
