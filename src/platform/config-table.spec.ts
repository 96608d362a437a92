import { describe, expect, it } from 'vitest';
import { configTable, describeConfig, loadConfig } from './config.js';

describe('describeConfig', () => {
  it('lists the name, the default and the description of every setting', () => {
    const entries = describeConfig();
    expect(entries.every(({ description }) => description.endsWith('.'))).toBe(true);
    expect(entries).toContainEqual({
      name: 'PORT',
      default: '8080',
      description: 'TCP port to listen on; 0 takes a free one.',
    });
    expect(entries.find(({ name }) => name === 'PUBLIC_URL')?.default).toBe('http://HOST:PORT');
    expect(entries.find(({ name }) => name === 'DATABASE_URL')?.default).toBeNull();
  });

  it('lists defaults that give the same settings when they are set', () => {
    const literal = describeConfig().filter(
      ({ name }) =>
        ![
          'PUBLIC_URL',
          'PKI_URL',
          'SECURITY_NOTICE_DAYS',
          'ALLOWED_PRIVATE_HOSTS',
          'NO_PROXY',
          'TRUSTED_PROXIES',
          'ALLOWED_DOMAINS',
          'SENSITIVE_DOMAIN_ROLES',
          'LDAP_USER_FILTER',
          'LDAP_GROUP_BASE',
          'IDP_ROLES_MAPPING',
          'IDP_ROLES_PREFIX',
          'IDP_ROLES_SUFFIX',
          'IDP_OWNER_DOMAINS',
          'NOTIFICATION_RECIPIENT_DOMAINS',
        ].includes(name),
    );
    const env = Object.fromEntries(
      literal.flatMap((entry) => (entry.default === null ? [] : [[entry.name, entry.default]])),
    );
    expect(loadConfig(env)).toEqual(loadConfig({}));
  });

  it('makes a table of Markdown', () => {
    expect(configTable().split('\n')).toHaveLength(describeConfig().length + 2);
    expect(configTable()).toContain('| `SWEEP_INTERVAL_S` | `20` | Seconds between two sweeps for due work. |');
  });
});
