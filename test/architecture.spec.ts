import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { circlesAmong, readSource, type Source } from './support/source-imports.js';

/*
 * The house as a table. A part is a folder of src; 'app' is the files beside those folders, 'cli' the second way to the
 * same services, 'plugins' and 'migrations' are the lists in their index.ts and what they list. Whoever changes rows
 * also writes to the audit log, in the same transaction. 'lemur-import' fills every feature from another program's
 * database, so it knows them all, and nothing but the command line knows it. Each folder of 'dialects' is a part of its
 * own, so that none knows another. 'type x' admits types alone, a star at the
 * end stands for anything.
 */
const layer0 = ['plugin-api', 'pki'];
const layer1 = ['platform'];
const layer2 = ['audit', 'jobs', 'users', 'roles', 'auth', 'domains', 'profiles', 'operations'];
const layer3 = ['authorities', 'challenges', 'destinations', 'notifications', 'sources', 'rotation', 'revocation'];
const layer4 = ['certificates'];
const below2 = [...layer0, ...layer1];
const recording = [...below2, 'jobs', 'audit'];
const below3 = [...below2, ...layer2];
const below4 = [...below3, ...layer3];

const partsOpenTo: Readonly<Record<string, readonly string[]>> = {
  'plugin-api': [],
  pki: ['type plugin-api'],
  platform: layer0,
  jobs: below2,
  audit: [...below2, 'jobs'],
  domains: [...recording, 'users', 'roles'],
  profiles: recording,
  users: recording,
  roles: [...recording, 'users'],
  auth: [...recording, 'users', 'roles'],
  operations: recording,
  ...Object.fromEntries(layer3.map((part) => [part, below3])),
  // A CRL or an OCSP answer is signed by an authority.
  revocation: [...below3, 'authorities'],
  certificates: below4,
  'dialects/*': [...below4, ...layer4],
  dialects: ['platform', 'dialects/*'],
  app: [...below4, ...layer4, 'dialects', 'plugins', 'migrations'],
  'lemur-import': [...below4, ...layer4],
  cli: [...below4, ...layer4, 'lemur-import', 'app', 'migrations'],
  plugins: ['plugin-api', 'plugins/*'],
  'plugins/*': layer0,
  migrations: [],
};

/** The packages of a part that must do with few; the others take what they need. */
const packagesOpenTo: Readonly<Record<string, readonly string[]>> = {
  'plugin-api': ['zod', 'type node:*'],
  pki: [
    'zod',
    '@peculiar/*',
    'reflect-metadata',
    'node:buffer',
    'node:crypto',
    'node:net',
    'node:timers',
    'node:url',
    'node:util',
  ],
  migrations: ['typeorm'],
};

/** What pki may take of a module that could do more: nothing that opens a socket or waits for a time. */
const namesOpenToPki: Readonly<Record<string, readonly string[]>> = {
  'node:net': ['isIP*'],
  'node:timers': ['setImmediate'],
};

/** Packages that one part alone may know, so that another can take their place. */
const homes: Readonly<Record<string, string>> = {
  bull: 'jobs',
  ioredis: 'jobs',
  nodemailer: 'platform',
  pg: 'platform',
  pino: 'platform',
  'prom-client': 'platform',
  'node:process': 'platform',
};

const roles = [
  'client',
  'controller',
  'destination',
  'dns',
  'entities',
  'entity',
  'export',
  'filter',
  'guard',
  'issuer',
  'job',
  'jobs',
  'module',
  'notification',
  'options',
  'query',
  'record',
  'repository',
  'row',
  'schema',
  'service',
  'source',
  'surfaces',
  'sweep',
  'view',
];

/** Said in platform and nowhere else: settings, output and the time come from there. */
const effects = ['process.env', 'console', 'new Date()', 'Date.now'];

/** Said nowhere. */
const banned = ['export default', 'export *', 'forwardRef'];

type Rule = (source: Source) => string[];

function partOf(path: string): string {
  const [top = '', part = '', ...rest] = path.split('/');
  if (top === 'src' && part === 'dialects' && rest.length > 1) return `${part}/${rest[0]}`;
  if (top === 'src') return rest.length > 0 ? part : 'app';
  return top === 'plugins' && rest.length > 0 ? `${top}/${part}` : top;
}

function rowOf<Row>(table: Readonly<Record<string, Row>>, part: string): Row | undefined {
  return table[part.replace(/^(plugins|dialects)\/.*/, '$1/*')];
}

function admits(entries: readonly string[], name: string, typeOnly: boolean): boolean {
  return entries.some((entry) => {
    const pattern = entry.replace(/^type /, '');
    const matches = pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
    return matches && (typeOnly || pattern === entry);
  });
}

const partsKeepToTheirLayer: Rule = ({ path, imports }) => {
  const part = partOf(path);
  const open = rowOf(partsOpenTo, part);
  if (!open) return [`${path}: '${part}' is no part of the house`];
  return imports
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map((taken) => ({ ...taken, from: partOf(posix.join(posix.dirname(path), taken.specifier)) }))
    .filter(({ from, typeOnly }) => from !== part && !admits(open, from, typeOnly))
    .map(({ from, specifier }) => `${path}: ${part} may not import ${from} (${specifier})`);
};

/** `node:timers/promises` is `node:timers`, `@nestjs/common/x` is `@nestjs/common`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

const packagesStayHome: Rule = ({ path, imports }) => {
  const part = partOf(path);
  const open = rowOf(packagesOpenTo, part) ?? ['*'];
  const stays = (name: string, typeOnly: boolean): boolean =>
    admits(open, name, typeOnly) && (homes[name] ?? part) === part;
  return imports
    .filter(({ specifier, typeOnly }) => !specifier.startsWith('.') && !stays(packageOf(specifier), typeOnly))
    .map(({ specifier }) => `${path}: ${part} may not import ${specifier}`);
};

const pkiOnlyComputes: Rule = ({ path, imports }) => {
  if (partOf(path) !== 'pki') return [];
  return imports.flatMap(({ specifier, names, typeOnly }) => {
    const open = namesOpenToPki[packageOf(specifier)] ?? ['*'];
    return names
      .filter((name) => !admits(open, name, typeOnly))
      .map((name) => `${path}: pki may not take ${name} from ${specifier}`);
  });
};

const effectsStayInPlatform: Rule = ({ path, says }) =>
  says
    .filter((said) => effects.includes(said) && partOf(path) !== 'platform')
    .map((said) => `${path}: ${said} belongs to platform`);

const nothingBannedIsSaid: Rule = ({ path, says }) =>
  says.filter((said) => banned.includes(said)).map((said) => `${path}: ${said}`);

/** What has not passed the lint must not be signed. */
const certificatesAreLinted: Rule = ({ path, imports }) =>
  path === 'src/pki/certificate-signing.ts'
    ? []
    : imports
        .filter(({ names }) => names.includes('certificateWriter'))
        .map(() => `${path}: certificates are signed by certificateSigning alone`);

const filesAreNamedForWhatTheyHold: Rule = ({ path }) => {
  if (path.startsWith('migrations/'))
    return /^migrations\/(index|\d{13}-[a-z0-9-]+)\.ts$/.test(path)
      ? []
      : [`${path}: a migration is <milliseconds>-<name>.ts`];
  if (basename(path) === 'index.ts') return path === 'plugins/index.ts' ? [] : [`${path}: no barrels`];
  const word = '[a-z0-9]+(?:-[a-z0-9]+)*';
  const [, role] = new RegExp(`^${word}(?:\\.(${word}))?\\.ts$`).exec(basename(path)) ?? [null, 'unreadable'];
  return role === undefined || roles.includes(role)
    ? []
    : [`${path}: a file is thing.ts or thing.role.ts in kebab-case, with a role that is listed here`];
};

const root = join(__dirname, '..');
const sources = ['src', 'plugins', 'migrations']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => posix.join(folder, file)),
  )
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts'))
  .sort()
  .map((path) => readSource(path, readFileSync(join(root, path), 'utf8')));

describe('the house', () => {
  it('has every part that the table names in layers 0 to 2, and a list of plugins and of migrations', () => {
    const parts = new Set(sources.map(({ path }) => partOf(path)));
    expect([...below3, ...layer4, 'app', 'cli', 'plugins', 'migrations'].filter((part) => !parts.has(part))).toEqual(
      [],
    );
  });

  it.each([
    ['imports only what lies below', partsKeepToTheirLayer],
    ['keeps each package in its place', packagesStayHome],
    ['neither opens a socket nor waits in pki', pkiOnlyComputes],
    ['has settings, output and time from platform alone', effectsStayInPlatform],
    ['names its exports one by one, and has no circles to break', nothingBannedIsSaid],
    ['signs no certificate that was not linted', certificatesAreLinted],
    ['names its files for what they hold', filesAreNamedForWhatTheyHold],
  ])('%s', (_, rule) => {
    expect(sources.flatMap(rule)).toEqual([]);
  });

  it('has no import circle, not even one of types', () => {
    expect(circlesAmong(sources)).toEqual([]);
  });
});

describe('the rules themselves', () => {
  it.each([
    ['src/pki/key.ts', `import { Config } from '../platform/config.js';`],
    ['src/pki/key.ts', `import { PluginError } from '../plugin-api/errors.js';`],
    ['src/plugin-api/plugin.ts', `import type { Leaf } from '../pki/certificate.js';`],
    ['src/platform/db/database.ts', `import { Outbox } from '../../jobs/outbox.js';`],
    ['src/users/user.service.ts', `import { permits } from '../roles/permission.js';`],
    ['src/sources/scan.ts', `import type { Destination } from '../destinations/destination.entity.js';`],
    ['src/rotation/due.ts', `export { Certificate } from '../certificates/certificate.entity.js';`],
    ['src/certificates/issue/issue.service.ts', `const late = await import('../../../plugins/index.js');`],
    [
      'src/certificates/issue/issue.service.ts',
      `type Local = import('../../../plugins/local-ca/local-ca.issuer.js').LocalCa;`,
    ],
    ['src/dialects/fastpki/fastpki.module.ts', `import { djangoCa } from '../django-ca/django-ca.surfaces.js';`],
    ['src/dialects/django-ca/sign.ts', `import { djangoCa } from '../../../plugins/django-ca/django-ca.issuer.js';`],
    ['src/certificates/list/list.controller.ts', `import { dialects } from '../../dialects/dialects.js';`],
    ['src/certificates/certificate.view.ts', `import { fake } from '../../test/support/fake.js';`],
    ['plugins/vault/vault.issuer.ts', `import { Log } from '../../src/platform/log.js';`],
    ['plugins/vault/vault.issuer.ts', `import { write } from '../filesystem/filesystem.client.js';`],
    ['migrations/1763700000001-accounts.ts', `import { User } from '../src/users/user.entity.js';`],
    ['src/common/strings.ts', ''],
  ])('%s: %s', (path, text) => {
    expect(partsKeepToTheirLayer(readSource(path, text))).toHaveLength(1);
  });

  it.each([
    ['src/pki/key.ts', `import { readFileSync } from 'node:fs';`],
    ['src/pki/key.ts', `import { Injectable } from '@nestjs/common';`],
    ['src/plugin-api/plugin.ts', `import { randomUUID } from 'node:crypto';`],
    ['src/certificates/certificate.repository.ts', `import type { Client } from 'pg';`],
    ['src/rotation/due.ts', `import Queue = require('bull');`],
    ['src/platform/net/cache.ts', `const { default: Redis } = require('ioredis/built/index.js');`],
    ['plugins/mail/mail.notification.ts', `import { createTransport } from 'nodemailer';`],
    ['migrations/1763700000001-accounts.ts', `import { z } from 'zod';`],
  ])('%s: %s', (path, text) => {
    expect(packagesStayHome(readSource(path, text))).toHaveLength(1);
  });

  it.each([
    [pkiOnlyComputes, 'src/pki/names.ts', `import { connect } from 'node:net';`],
    [pkiOnlyComputes, 'src/pki/names.ts', `import * as net from 'node:net';`],
    [pkiOnlyComputes, 'src/pki/names.ts', `import { setTimeout } from 'node:timers/promises';`],
    [effectsStayInPlatform, 'src/pki/key.ts', 'const now = new Date();'],
    [effectsStayInPlatform, 'src/rotation/due.ts', 'const now = Date.now();'],
    [effectsStayInPlatform, 'plugins/vault/vault.issuer.ts', `const token = process.env['VAULT_TOKEN'];`],
    [effectsStayInPlatform, 'src/main.ts', `console.log('ready');`],
    [nothingBannedIsSaid, 'src/users/user.entity.ts', 'export default class User {}'],
    [nothingBannedIsSaid, 'src/users/user.entity.ts', 'const user = 1; export default user;'],
    [nothingBannedIsSaid, 'src/users/users.ts', `export * from './user.entity.js';`],
    [nothingBannedIsSaid, 'src/auth/auth.guard.ts', 'const later = forwardRef(() => Users);'],
    [filesAreNamedForWhatTheyHold, 'src/users/index.ts', ''],
    [filesAreNamedForWhatTheyHold, 'plugins/vault/index.ts', ''],
    [filesAreNamedForWhatTheyHold, 'src/users/userEntity.ts', ''],
    [filesAreNamedForWhatTheyHold, 'src/users/user.dto.ts', ''],
    [filesAreNamedForWhatTheyHold, 'migrations/accounts.ts', ''],
  ])('%o on %s: %s', (rule, path, text) => {
    expect(rule(readSource(path, text))).toHaveLength(1);
  });

  it('find a circle of type imports, and of three files', () => {
    const among = (...files: [path: string, text: string][]): string[] =>
      circlesAmong(files.map(([path, text]) => readSource(path, text)));
    expect(
      among(
        ['src/users/user.schema.ts', `import type { User } from './user.repository.js';`],
        ['src/users/user.repository.ts', `import { type UserQuery } from './user.schema.js';`],
      ),
    ).toEqual(['src/users/user.schema.ts -> src/users/user.repository.ts -> src/users/user.schema.ts']);
    expect(
      among(
        ['src/users/a.ts', `import './b.js';`],
        ['src/users/b.ts', `const late = await import('../roles/c.js');`],
        ['src/roles/c.ts', `export { a } from '../users/a.js';`],
      ),
    ).toHaveLength(1);
    expect(
      among(
        ['src/users/a.ts', `import './b.js'; import './c.js';`],
        ['src/users/b.ts', `import './c.js';`],
        ['src/users/c.ts', `import { z } from 'zod';`],
      ),
    ).toEqual([]);
  });

  it('let pass what is fine', () => {
    const fine = [
      readSource(
        'src/pki/profile.ts',
        `import type { Terms } from '../plugin-api/plugin.js'; import { isIP } from ` +
          `'node:net'; const at = new Date(0);`,
      ),
      readSource(
        'src/plugin-api/plugin.ts',
        `import { z } from 'zod'; import type { KeyObject } from 'node:crypto'; import ` +
          `{ PluginError } from './errors.js';`,
      ),
      readSource(
        'src/auth/auth.guard.ts',
        `import { User } from '../users/user.entity.js'; import { permits } from '../roles/permission.js';`,
      ),
      readSource('src/platform/clock.ts', 'const now = () => new Date();'),
      readSource(
        'src/jobs/queue.ts',
        `import Queue from 'bull'; import { Database } from '../platform/db/database.js';`,
      ),
      readSource(
        'src/certificates/deploy/deploy.service.ts',
        `import { Destinations } from '../../destinations/destinations.service.js'; ` +
          `import { State } from '../terms.js';`,
      ),
      readSource(
        'src/main.ts',
        `import { plugins } from '../plugins/index.js'; import { migrations } from '../migrations/index.js';`,
      ),
      readSource('plugins/index.ts', `import { vault } from './vault/vault.issuer.js';`),
      readSource(
        'plugins/vault/vault.issuer.ts',
        `import { call } from './vault.client.js'; import { defineIssuer } from '../../src/plugin-api/plugin.js';`,
      ),
    ];
    const rules = [
      partsKeepToTheirLayer,
      packagesStayHome,
      pkiOnlyComputes,
      effectsStayInPlatform,
      nothingBannedIsSaid,
      filesAreNamedForWhatTheyHold,
    ];
    expect(fine.flatMap((source) => rules.flatMap((rule) => rule(source)))).toEqual([]);
  });
});
