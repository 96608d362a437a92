import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, chmod, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ChildEnv, processesNaming, type ProgramChild, runChild, startChild } from '../support/child.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { adminPassword, eventually, signIn } from '../support/program.js';

const password = /^First start: sign in as "admin" with the password (\S+) /gm;
const stackTrace = /^\s+at /m;
const cleanEnd = { status: 0, signal: null };

const children: ProgramChild[] = [];
async function start(env: ChildEnv): Promise<ProgramChild> {
  const child = await startChild(env);
  children.push(child);
  return child;
}
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.kill()));
});

/** Runs one that must refuse to start; gives its words. */
async function refusal(env: ChildEnv): Promise<string> {
  const { status, stderr } = await runChild(env);
  expect(stderr).not.toMatch(stackTrace);
  expect(status).toBe(1);
  return stderr;
}

describe('a program with no setting but its data folder', () => {
  let parent: string;
  let dataDir: string;
  let secret = '';
  beforeAll(async () => {
    parent = await mkdtemp(join(tmpdir(), 'perennial-'));
    dataDir = join(parent, 'data');
  });
  afterAll(() => rm(parent, { recursive: true, force: true }));

  it('starts, prints its address and the password, and stops cleanly on Ctrl-C', async () => {
    const child = await start({ DATA_DIR: dataDir });
    const greeting = [
      `API            ${child.url}/api/1`,
      `Documentation  ${child.url}/api/1/docs`,
      `Data           ${dataDir}`,
    ].join('\n');
    await eventually(async () => child.stdout().includes(`\n${greeting}\n`));
    const told = [...child.stdout().matchAll(password)];
    expect(told).toHaveLength(1);
    secret = told[0]?.[1] ?? '';
    expect((await stat(join(dataDir, 'keyring'))).mode & 0o777).toBe(0o600);
    const { ok } = await signIn(child.url, secret);
    expect((await ok('GET', '/roles')).items.map((role: { name: string }) => role.name)).toEqual(
      expect.arrayContaining(['admin', 'operator', 'read-only']),
    );
    expect((await ok('GET', '/policies')).items).toMatchObject([{ name: 'default' }]);
    await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
    await ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'kept.example.com',
      authority: { name: 'root' },
    });
    expect(await child.stop()).toEqual(cleanEnd);
    expect(child.stderr()).toBe('');
    expect(processesNaming(dataDir)).toEqual([]);
  });

  it('has all data after a restart', async () => {
    const child = await start({ DATA_DIR: dataDir });
    expect(child.stdout()).not.toMatch(/password/i);
    const { ok } = await signIn(child.url, secret);
    const {
      items: [certificate],
    } = await ok('GET', '/certificates');
    expect(certificate).toMatchObject({ cn: 'kept.example.com', lifecycle: 'issued' });
    expect((await ok('GET', `/certificates/${certificate.id}/key`)).key).toContain('PRIVATE KEY');
    expect((await ok('GET', '/policies')).total).toBe(1);
    await ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'second.example.com',
      authority: { name: 'root' },
    });
    expect(await child.stop()).toEqual(cleanEnd);
  });

  it('refuses a second instance on the same folder, and the first goes on', async () => {
    const first = await start({ DATA_DIR: dataDir });
    expect(await refusal({ DATA_DIR: dataDir })).toContain(`in use by process ${first.pid}`);
    expect((await fetch(`${first.url}/health/ready`)).status).toBe(200);
    expect(await first.stop()).toEqual(cleanEnd);
  });

  it('refuses keys without the one that sealed the database, and says what to do', async () => {
    const words = await refusal({ DATA_DIR: dataDir, ENCRYPTION_KEYS: randomBytes(32).toString('base64') });
    expect(words).toMatch(
      /^The database was sealed with key "\w+", which is missing from ENCRYPTION_KEYS.* Add that key to ENCRYPTION/,
    );
    expect(processesNaming(dataDir)).toEqual([]);
  });

  it('refuses to start without its keys, creates none, and starts again when they are back', async () => {
    const keyring = join(dataDir, 'keyring');
    await rename(keyring, join(parent, 'backup'));
    expect(await refusal({ DATA_DIR: dataDir })).toContain('Restore that file from a backup or set ENCRYPTION_KEYS');
    await expect(access(keyring)).rejects.toThrow('ENOENT');
    expect(processesNaming(dataDir)).toEqual([]);
    await rename(join(parent, 'backup'), keyring);
    await chmod(keyring, 0o644);
    expect(await refusal({ DATA_DIR: dataDir })).toContain(`chmod 600 ${keyring}`);
    await chmod(keyring, 0o600);
    const child = await start({ DATA_DIR: dataDir });
    expect(await child.stop()).toEqual(cleanEnd);
  });

  it('refuses an issuer plugin that does not exist, and names those that do', async () => {
    const words = await refusal({ DATA_DIR: dataDir, DEFAULT_ISSUER_PLUGIN: 'filesystem' });
    expect(words).toMatch(/DEFAULT_ISSUER_PLUGIN: must be the id of an issuer plugin: .*acme.*local-ca/);
    expect(processesNaming(dataDir)).toEqual([]);
  });

  it('refuses a port that is in use, and stops its database again', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(await refusal({ DATA_DIR: dataDir, PORT: String(port) })).toBe(
      `Cannot listen on 127.0.0.1, port ${port}: the port is in use by another ` +
        `program. Stop that one, or set PORT to another port.\n`,
    );
    expect(processesNaming(dataDir)).toEqual([]);
    server.close();
  });

  it('stops cleanly while it is still starting', async () => {
    const fresh = join(parent, 'fresh');
    const { status, signal, stderr } = await runChild({ DATA_DIR: fresh }, async (child) => {
      await eventually(() =>
        access(join(fresh, 'postgres')).then(
          () => true,
          () => false,
        ),
      );
      child.kill('SIGINT');
    });
    expect({ status, signal, stderr }).toEqual({ ...cleanEnd, stderr: '' });
    expect(processesNaming(fresh)).toEqual([]);
    const child = await start({ DATA_DIR: fresh, ADMIN_PASSWORD: adminPassword });
    expect(await child.stop()).toEqual(cleanEnd);
  });
});

describe('settings', () => {
  it('are refused with all faults in one message', async () => {
    const words = await refusal({
      DATA_DIR: '/nonexistent',
      PORT: 'eighty',
      DATABASE_URL: 'mysql://db',
      ENCRYPTION_KEYS: 'short',
      SWEEP_INTERVAL_S: '0',
      PERENNIAL_ROLE: 'boss',
      SMTP_URL_FILE: '/nonexistent/smtp',
      TOKEN_SECRETS: 'hunter2',
    });
    const lines = words.trimEnd().split('\n');
    expect(lines[0]).toBe('The settings are not usable:');
    for (const name of [
      'PORT',
      'DATABASE_URL',
      'ENCRYPTION_KEYS',
      'SWEEP_INTERVAL_S',
      'PERENNIAL_ROLE',
      'SMTP_URL_FILE',
      'TOKEN_SECRETS',
    ]) {
      expect(
        lines.filter((line) => line.trim().startsWith(name)),
        name,
      ).toHaveLength(1);
    }
    expect(lines).toHaveLength(8);
    expect(words).not.toMatch(/hunter2|mysql/);
  });

  it('are refused when the database does not answer', async () => {
    expect(await refusal({ DATA_DIR: '/nonexistent', DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:1/x' })).toMatch(
      /^The database cannot be reached: [^\n]*ECONNREFUSED[^\n]*\n$/,
    );
  });
});

describe('a program on an external database', () => {
  let database: TestDatabase;
  let dataDir: string;
  let env: ChildEnv;
  beforeAll(async () => {
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'perennial-'));
    env = { DATA_DIR: dataDir, DATABASE_URL: database.url, ADMIN_PASSWORD: adminPassword };
  });
  afterAll(async () => {
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('refuses a weak admin password', async () => {
    expect(await refusal({ ...env, ADMIN_PASSWORD: 'hunter2' })).toMatch(/^ADMIN_PASSWORD [^\n]+\n$/);
  });

  it('interrupts its jobs at Ctrl-C without counting a failure, and runs them at the next start', async () => {
    const folder = join(dataDir, '..', `perennial-out-${randomBytes(6).toString('hex')}`);
    const seconds = `6${randomBytes(3).readUIntBE(0, 3)}`;
    const reload = (...command: string[]): ChildEnv => ({
      ...env,
      RELOAD_COMMANDS: JSON.stringify({ reload: command }),
    });
    const first = await start(reload('/bin/sleep', seconds));
    const { ok } = await signIn(first.url);
    await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
    await ok('POST', '/destinations', {
      label: 'folder',
      plugin: { slug: 'filesystem', options: { path: folder, reload: 'reload' } },
    });
    const certificate = await ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'a.example.com',
      authority: { name: 'root' },
      destinations: [{ label: 'folder' }],
    });
    const [sleeper] = await eventually(async () => {
      const found = processesNaming(`sleep\0${seconds}`);
      return found.length > 0 && found;
    });
    expect(await first.stop()).toEqual(cleanEnd);
    expect(first.stderr()).toBe('');
    expect(processesNaming(`sleep\0${seconds}`)).not.toContain(sleeper);
    expect(await database.source.query('select state, attempts, fault from delivery')).toEqual([
      { state: 'planned', attempts: 0, fault: null },
    ]);
    expect(
      await database.source.query(`select state, attempts, leased_by from outbox where job = 'certificate.deploy'`),
    ).toEqual([{ state: 'due', attempts: 0, leased_by: null }]);

    const second = await start(reload('/bin/true'));
    const again = await signIn(second.url);
    await eventually(
      async () => (await again.ok('GET', `/certificates/${certificate.id}/deliveries`)).items[0].state === 'delivered',
    );
    expect(await readFile(join(folder, 'a.example.com/cert.pem'), 'utf8')).toBe(certificate.body);
    expect(await second.stop()).toEqual(cleanEnd);
    await rm(folder, { recursive: true });
  });

  it('serves health and metrics at METRICS_LISTEN only, and nothing else there', async () => {
    const program = await start({ ...env, METRICS_LISTEN: '127.0.0.1:0' });
    const greeting = /^Monitoring +(http:\/\/127\.0\.0\.1:\d+)\/health\/ready$/m;
    const monitoring = await eventually(async () => greeting.exec(program.stdout())?.[1]);
    expect(new URL(monitoring).port).not.toBe(new URL(program.url).port);
    const get = async (url: string): Promise<{ status: number; text: string }> => {
      const response = await fetch(url);
      return { status: response.status, text: await response.text() };
    };
    expect(await get(`${monitoring}/health/live`)).toMatchObject({ status: 200 });
    expect(await get(`${monitoring}/health/ready`)).toMatchObject({ status: 200 });
    expect((await get(`${monitoring}/metrics`)).text).toContain('# TYPE perennial_jobs gauge');
    expect(await get(`${monitoring}/problems/not-found`)).toMatchObject({ status: 200 });
    for (const path of ['/', '/api/1/auth/providers', '/api/1/docs', '/%61pi/1/docs', '/api/1/healthcheck'])
      expect(await get(monitoring + path), path).toMatchObject({
        status: 404,
        text: expect.stringContaining('The API has another address.'),
      });
    for (const path of ['/health/live', '/health/ready', '/metrics', '/%6detrics', '/metrics?a=b'])
      expect(await get(program.url + path), path).toMatchObject({
        status: 404,
        text: expect.stringContaining('METRICS_LISTEN'),
      });
    expect(await get(`${program.url}/api/1/healthcheck`)).toEqual({ status: 200, text: 'ok' });
    expect(await program.stop()).toEqual(cleanEnd);
    await expect(fetch(monitoring)).rejects.toThrow();
  });

  it('with the role worker opens no address but METRICS_LISTEN', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    // The main port is taken, and so a worker that opened it would end.
    const worker = await start({
      ...env,
      PERENNIAL_ROLE: 'worker',
      PORT: String(port),
      METRICS_LISTEN: '127.0.0.1:0',
    });
    expect(worker.stdout()).toBe(`Worker         ${worker.url}/health/ready\n`);
    expect((await fetch(`${worker.url}/health/ready`)).status).toBe(200);
    expect((await fetch(`${worker.url}/api/1/docs`)).status).toBe(404);
    expect(await worker.stop()).toEqual(cleanEnd);
    expect(await refusal({ ...env, METRICS_LISTEN: `127.0.0.1:${port}` })).toBe(
      `Cannot listen on 127.0.0.1, port ${port}: the port is in use by another program. ` +
        'Stop that one, or set METRICS_LISTEN to another port.\n',
    );
    taken.close();
  });

  it('with the role worker serves only health, metrics and problem pages', async () => {
    const worker = await start({ ...env, PERENNIAL_ROLE: 'worker' });
    const get = async (path: string): Promise<{ status: number; text: string }> => {
      const response = await fetch(worker.url + path);
      return { status: response.status, text: await response.text() };
    };
    expect(worker.stdout()).toBe(`Worker         ${worker.url}/health/ready\n`);
    expect(await get('/health/live')).toMatchObject({ status: 200 });
    expect(JSON.parse((await get('/health/ready')).text)).toEqual({
      status: 'ok',
      checks: ['database', 'queue'],
      warnings: [],
    });
    expect((await get('/problems/not-found')).status).toBe(200);
    for (const path of ['/api/1/certificates', '/api/1/docs', '/api/1/roles?page=1', '/', '/metricsx']) {
      expect(await get(path), path).toMatchObject({ status: 404, text: expect.stringMatching(/worker/) });
    }
    const metrics = await eventually(async () => {
      const { text } = await get('/metrics');
      return text.includes('perennial_periodic_last_success_timestamp_seconds{task="due-work"}') && text;
    });
    expect(metrics).toMatch(/^perennial_periodic_failures\{task="due-work"\} 0$/m);
    expect(metrics).toContain('# TYPE perennial_jobs gauge');
    expect(await worker.stop()).toEqual(cleanEnd);
  });
});
