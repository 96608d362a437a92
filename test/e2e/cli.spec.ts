import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ChildEnv,
  type CliResult,
  processesNaming,
  type ProgramChild,
  runCli,
  startChild,
} from '../support/child.js';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/database.js';
import { adminPassword, eventually, signIn } from '../support/program.js';
import type { Json } from '../support/json.js';

const run = promisify(execFile);
// Each call is a process of its own.
const stackTrace = /^\s+at /m;
const done = { status: 0, signal: null };

/** A call that must succeed; what it printed with --json, parsed. */
async function json(env: ChildEnv, args: readonly string[], input?: string): Promise<Json> {
  const { status, stdout, stderr } = await runCli(env, ['--json', ...args], input);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** A call that must fail with status 1 and a sentence; gives what it said. */
async function refusal(env: ChildEnv, args: readonly string[], input?: string): Promise<string> {
  const { status, stderr } = await runCli(env, args, input);
  expect(stderr).not.toMatch(stackTrace);
  expect(status).toBe(1);
  return stderr;
}

describe('the command line', () => {
  it('shows help without a database, and refuses unknown commands and values', async () => {
    const help = await runCli({ DATA_DIR: '/nonexistent' }, ['--help']);
    expect(help).toMatchObject({ status: 0, stdout: expect.stringContaining('create-user [options] <name>') });
    expect(await runCli({ DATA_DIR: '/nonexistent' }, ['--version'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      stderr: '',
    });
    expect(await runCli({}, ['revoke', '--help'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('--json'),
    });
    expect(await runCli({}, ['frobnicate'])).toMatchObject({
      status: 2,
      stdout: '',
      stderr: `error: unknown command 'frobnicate'\n`,
    });
    expect(await runCli({}, ['query', '--expiring-in', 'soon'])).toMatchObject({ status: 2, stdout: '' });
  });

  it('creates no database when the settings are wrong', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'perennial-'));
    expect(await refusal({ DATA_DIR: join(folder, 'wrong') }, ['query'])).toMatch(
      /^There is no database in .* run: perennial init\n$/,
    );
    expect(await refusal({ DATA_DIR: folder, PORT: 'eighty' }, ['query'])).toMatch(
      /^The settings are not usable:\n {2}PORT: /,
    );
    // Root may open every folder.
    if (userInfo().uid !== 0) {
      await mkdir(join(folder, 'closed'), { mode: 0o000 });
      expect(await refusal({ DATA_DIR: join(folder, 'closed') }, ['query'])).toMatch(
        /^This system user cannot open \S+closed\. Run the command as/,
      );
    }
    const empty = await createEmptyDatabase([]);
    expect(await refusal({ DATA_DIR: folder, DATABASE_URL: empty.url }, ['query'])).toMatch(
      /^The tables of this database belong to another version/,
    );
    await empty.drop();
    await rm(folder, { recursive: true });
  });
});

describe('the command line on the embedded database', () => {
  let dataDir: string;
  let env: ChildEnv;
  let program: ProgramChild | undefined;
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'perennial-'));
    env = { DATA_DIR: dataDir };
  });
  afterAll(async () => {
    await program?.kill();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('creates everything at the first init, says so, and changes nothing at the second', async () => {
    const first = await runCli(env, ['init', '--password-file', '-'], `${adminPassword}\n`);
    expect(first).toMatchObject({
      ...done,
      stderr: '',
      stdout: expect.stringMatching(/migrations? done\n[^]*User {7}admin created\n$/),
    });
    expect(first.stdout).not.toContain(adminPassword);
    expect(processesNaming(dataDir)).toEqual([]);
    expect(await json(env, ['init'])).toMatchObject({
      migrations: [],
      admin: 'kept',
      keyRing: { origin: join(dataDir, 'keyring') },
    });
  });

  it('uses the database of the running program', async () => {
    program = await startChild(env);
    const { ok } = await signIn(program.url);
    await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
    const issued = await json(env, [
      'issue',
      '--owner',
      'joe@example.com',
      '--cn',
      'beside.example.com',
      '--authority',
      'root',
    ]);
    expect(await ok('GET', `/certificates/${issued.id}`)).toMatchObject({
      cn: 'beside.example.com',
      lifecycle: 'issued',
    });
    expect((await fetch(`${program.url}/health/ready`)).status).toBe(200);
    expect(await program.stop()).toEqual({ status: 0, signal: null });
  });

  it('works when no program is running, and leaves no process behind', async () => {
    expect((await json(env, ['query', '--fqdn', 'beside'])).items).toMatchObject([{ cn: 'beside.example.com' }]);
    expect(processesNaming(dataDir)).toEqual([]);
  });
});

describe('the command line on an external database', () => {
  let database: TestDatabase;
  let folder: string;
  let env: ChildEnv;
  let program: ProgramChild;
  let call: Awaited<ReturnType<typeof signIn>>;
  beforeAll(async () => {
    database = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), 'perennial-'));
    env = { DATA_DIR: folder, DATABASE_URL: database.url, ADMIN_PASSWORD: adminPassword };
    program = await startChild(env);
    call = await signIn(program.url);
    await call.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  });
  afterAll(async () => {
    await program.kill();
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const issue = (...args: string[]): Promise<{ id: number; name: string }> =>
    json(env, ['issue', '--owner', 'joe@example.com', '--authority', 'root', ...args]) as Promise<{
      id: number;
      name: string;
    }>;

  it('creates users and resets passwords without printing them', async () => {
    expect(await refusal(env, ['create-user', 'mary', '--email', 'mary@example.com'])).toContain('--password-file');
    expect(
      await refusal(env, ['create-user', 'mary', '--email', 'mary@example.com', '--password-file', '-'], 'hunter2'),
    ).toMatch(/^The password must have at least 12/);
    await json(
      env,
      ['create-user', 'mary', '--email', 'mary@example.com', '--role', 'operator', '--password-file', '-'],
      'Marys-Secret-1!\n',
    );
    const token = await call.login('mary', 'Marys-Secret-1!');
    const path = join(folder, 'password');
    await writeFile(path, 'Marys-Secret-2!\n', { mode: 0o600 });
    const { stdout, stderr } = await runCli({ ...env, LOG_LEVEL: 'trace' }, [
      '--verbose',
      'reset-password',
      'MARY',
      '--password-file',
      path,
    ]);
    expect(stdout).toBe('User mary has a new password. All sessions have ended.\n');
    expect(stdout + stderr).not.toContain('Marys-Secret');
    expect((await call.call('GET', '/auth/me', undefined, { token })).status).toBe(401);
    await call.login('mary', 'Marys-Secret-2!');
    const [event] = await database.source.query(
      `select actor_name, actor_user_id, request_id, after from audit_event where action = 'user.changed'`,
    );
    expect(event).toMatchObject({
      actor_name: expect.stringContaining(`system (${userInfo().username}`),
      actor_user_id: null,
      request_id: expect.stringMatching(/^cli-/),
    });
    expect(JSON.stringify(event)).not.toContain('Secret');
    expect(await refusal(env, ['reset-password', 'nobody', '--password-file', path])).toBe(
      'There is no user nobody.\n',
    );
  });

  it('creates API keys, and shows each once', async () => {
    const { status, stdout } = await runCli(env, [
      'create-api-key',
      'script',
      '--user',
      'mary',
      '--days',
      '30',
      '--scope',
      'certificate:read',
    ]);
    expect(status).toBe(0);
    const token = stdout.trim();
    expect((await call.call('GET', '/certificates', undefined, { token })).status).toBe(200);
    expect((await call.call('GET', '/users', undefined, { token })).status).toBe(403);
    const { stdout: log } = await runCli(env, ['audit', 'export', '--filter', 'logType;apikey.created']);
    expect(JSON.parse(log)).toMatchObject({
      logType: 'apikey.created',
      after: { name: 'script', user: 'mary', scopes: ['certificate:read'] },
    });
    expect(log).not.toContain(token);
    expect(await refusal(env, ['create-api-key', 'x', '--user', 'nobody'])).toContain('nobody');
    expect(await refusal(env, ['create-api-key', 'x', '--user', 'mary', '--scope', 'everything'])).toContain(
      'is not a permission',
    );
  });

  it('asks for a password at a terminal without showing it', async () => {
    const cli = join(__dirname, '../../dist/src/cli/cli.js');
    const terminal = spawn('script', ['-qec', `${process.execPath} ${cli} reset-password mary`, '/dev/null'], {
      env: { PATH: process.env['PATH'], ...env },
    });
    let stdout = '';
    terminal.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    for (const question of ['New password: ', 'Once more: ']) {
      await eventually(async () => stdout.includes(question));
      terminal.stdin.write('Typed-Secret-1!\r');
    }
    await once(terminal, 'close');
    expect(stdout).toMatch(/New password: \s+Once more: \s+User mary has a new password/);
    expect(stdout).not.toContain('Typed-Secret');
    await call.login('mary', 'Typed-Secret-1!');
  });

  it('issues by options, by CSR, and by a request in the format of the API', async () => {
    const { id } = await issue(
      '--cn',
      'opt.example.com',
      '--san',
      'opt2.example.com',
      '10.1.2.3',
      'https://opt.example.com/x',
      '--days',
      '30',
      '--key-type',
      'RSA2048',
    );
    const certificate = await call.ok('GET', `/certificates/${id}`);
    await writeFile(join(folder, 'opt.pem'), certificate.body);
    const { stdout } = await run('openssl', ['x509', '-in', join(folder, 'opt.pem'), '-noout', '-text']);
    expect(stdout).toMatch(
      /DNS:opt\.example\.com, DNS:opt2\.example\.com, IP Address:10\.1\.2\.3, URI:https:\/\/opt\.example\.com\/x/,
    );
    expect(stdout).toContain('Public-Key: (2048 bit)');
    await run('openssl', [
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      join(folder, 'csr.key'),
      '-out',
      join(folder, 'csr.pem'),
      '-subj',
      '/CN=csr.example.com',
    ]);
    expect(await issue('--csr', join(folder, 'csr.pem'))).toMatchObject({
      cn: 'csr.example.com',
      hasPrivateKey: false,
    });
    const request = {
      owner: 'joe@example.com',
      commonName: 'file.example.com',
      authority: { name: 'root' },
      validityDays: 3,
    };
    expect(await json(env, ['issue', '--request', '-'], JSON.stringify(request))).toMatchObject({
      cn: 'file.example.com',
    });
    const refused = await runCli(env, [
      '--json',
      'issue',
      '--cn',
      'x.example.com',
      '--authority',
      'nope',
      '--owner',
      'nobody',
    ]);
    expect(refused.status).toBe(1);
    expect(JSON.parse(refused.stdout)).toMatchObject({
      error: { code: 'invalid-request', reasons: { owner: expect.anything() } },
    });
  });

  it('finds certificates by name, state and other properties', async () => {
    const names = async (...args: string[]): Promise<string[]> =>
      ((await json(env, ['query', ...args])).items as { cn: string }[]).map(({ cn }) => cn);
    expect(await names('--fqdn', 'opt2.example.com', 'csr.')).toEqual(['opt.example.com', 'csr.example.com']);
    expect(await names('--expiring-in', '5')).toEqual(['file.example.com']);
    expect(await names('--issuer', 'ROOT', '--owner', 'joe@example.com', '--fqdn', 'file')).toEqual([
      'file.example.com',
    ]);
    expect(await names('--owner', 'mary@example.com')).toEqual([]);
    const { stdout } = await runCli(env, ['query', '--fqdn', 'file.example.com']);
    const [heading, row, ...more] = stdout.split('\n');
    expect(heading).toMatch(/^ID +NAME +OWNER +ISSUER +LIFE CYCLE +NOT AFTER$/);
    expect(row).toMatch(/^\d+ +file\.example\.com-Root-\S+ +joe@example\.com +Root +issued +\d{4}-\d\d-\d\d$/);
    expect(more).toEqual(['']);
  });

  it('renews and revokes only with --commit, and goes on when one fails', async () => {
    const [first, second] = [await issue('--cn', 'one.example.com'), await issue('--cn', 'two.example.com')];
    const plan = await json(env, ['rotate', String(first.id)]);
    expect(plan).toMatchObject({ committed: false, items: [{ id: first.id, done: true, detail: expect.any(String) }] });
    const dry = await runCli(env, ['reissue', String(first.id), second.name]);
    expect(dry).toMatchObject({ status: 0, stderr: 'Nothing is done yet: --commit would renew 2 certificates.\n' });
    expect((await call.ok('GET', `/certificates/${first.id}`)).replacedBy).toEqual([]);
    expect(await json(env, ['reissue', String(first.id), '--commit'])).toMatchObject({
      committed: true,
      items: [{ id: first.id, done: true }],
    });
    expect((await call.ok('GET', `/certificates/${first.id}`)).replacedBy).toMatchObject([{ lifecycle: 'issued' }]);
    const again = await runCli(env, ['reissue', String(first.id), String(second.id), '--commit']);
    expect(again).toMatchObject({ status: 1, stdout: expect.stringMatching(/FAILED: [^\n]*\n\d+ +\S+ +renewed by/) });

    expect((await json(env, ['rotate', String(first.id), '--commit', '--no-notify'])).items).toMatchObject([
      { done: true },
    ]);
    const found = await runCli(env, ['query', '--fqdn', 'two.example.com', '--ids']);
    const revoke = ['revoke', '--from', '-', '--reason', 'keyCompromise', '--comment', 'stolen'];
    expect((await json(env, revoke, found.stdout)).committed).toBe(false);
    expect((await call.ok('GET', `/certificates/${second.id}`)).lifecycle).not.toBe('revoked');
    const { stdout } = await runCli(env, ['--json', 'query', '--fqdn', 'two.example.com']);
    expect((await json(env, [...revoke, '--commit'], stdout)).items).toHaveLength(2);
    expect(await call.ok('GET', `/certificates/${second.id}`)).toMatchObject({
      lifecycle: 'revoked',
      revocationReason: 1,
    });
    expect(await refusal(env, ['revoke', String(second.id), '--reason', 'boredom'])).toContain('crlReason');
    expect(await refusal(env, ['revoke', '--commit'])).toMatch(/^Name certificates/);
  });

  it('imports files and folders with their keys and chains, each certificate once', async () => {
    const at = (name: string): string => join(folder, 'import', name);
    await run('bash', [
      '-euc',
      `
      mkdir -p ${at('deep')}; cd ${at('')}
      openssl req -x509 -newkey rsa:2048 -nodes -days 90 -keyout ../ca.key -out ca.pem -subj "/CN=Foreign CA"
      openssl req -new -newkey rsa:2048 -nodes -keyout deep/leaf.key -out ../leaf.csr -subj /CN=leaf.example.org
      openssl x509 -req -in ../leaf.csr -CA ca.pem -CAkey ../ca.key -CAcreateserial -days 30 -out deep/leaf.crt
      openssl x509 -in deep/leaf.crt -outform der -out deep/leaf.cer
      openssl req -x509 -newkey rsa:2048 -nodes -days 90 -keyout self.key -out self.pem -subj /CN=self.example.org
      printf -- '-----BEGIN CERTIFICATE-----\\nbroken\\n-----END CERTIFICATE-----\\n' > broken.pem
      echo hello > notes.txt`,
    ]);
    const dry = await runCli(env, ['import', at(''), '--owner', 'joe@example.com', '--dry-run', '--json']);
    const outcomes = (text: string): unknown[] =>
      JSON.parse(text).items.map((item: { cn: string; outcome: string }) => [item.cn, item.outcome]);
    expect(outcomes(dry.stdout)).toEqual([
      [null, 'failed'],
      ['Foreign CA', 'skipped'],
      ['leaf.example.org', 'found'],
      ['self.example.org', 'found'],
    ]);
    await rm(at('broken.pem'));
    expect(outcomes((await runCli(env, ['import', at(''), '--owner', 'joe@example.com', '--json'])).stdout)).toEqual([
      ['Foreign CA', 'skipped'],
      ['leaf.example.org', 'imported'],
      ['self.example.org', 'imported'],
    ]);
    const {
      items: [leaf],
    } = await call.ok('GET', '/certificates?chain=true&filter=cn;leaf.example.org');
    expect(leaf).toMatchObject({ hasPrivateKey: true, chain: await readFile(at('ca.pem'), 'utf8') });
    const again: CliResult = await runCli(env, ['import', at(''), '--owner', 'joe@example.com', '--json']);
    expect(again.status).toBe(0);
    expect(outcomes(again.stdout)).toEqual([
      ['Foreign CA', 'skipped'],
      ['leaf.example.org', 'known'],
      ['self.example.org', 'known'],
    ]);
    expect(again.stdout + dry.stdout).not.toContain('PRIVATE KEY');
  });

  it('scans the named or all active sources, and reports the result', async () => {
    const add = async (label: string, path: string, active: boolean): Promise<{ id: number }> =>
      call.ok('POST', '/sources', {
        label,
        owner: 'joe@example.com',
        active,
        plugin: { id: 'filesystem-source', options: { path, pollRate: 1440 } },
      });
    // Outside the program's own folder, which no source looks into.
    const files = await mkdtemp(join(tmpdir(), 'files-'));
    await copyFile(join(folder, 'import', 'deep', 'leaf.crt'), join(files, 'leaf.crt'));
    await writeFile(join(files, 'broken.pem'), '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n');
    const { id } = await add('files', files, true);
    await add('nowhere', join(files, 'none'), false);
    const { items: all } = JSON.parse((await runCli(env, ['--json', 'sync'])).stdout);
    expect(all).toMatchObject([
      { source: 'files', sourceId: id, state: 'done', certificates: expect.any(Number), troubles: 1 },
    ]);
    expect(all[0].certificates).toBeGreaterThan(0);
    const named = await runCli(env, ['sync', String(id), 'NOWHERE', 'files']);
    expect(named).toMatchObject({ status: 1, stderr: '2 sources.\n' });
    expect(named.stdout).toMatch(
      new RegExp(
        `^SOURCE +STATE +FOUND .*\nfiles +done +${all[0].certificates} +0 .*\nnowhere ` +
          `+failed +0 [^]*\nSOURCE +TROUBLE AT .*\nfiles +${join(files, 'broken.pem')}`,
      ),
    );
    expect((await json(env, ['sync', 'files', '--no-wait'])).items).toMatchObject([{ source: 'files', sourceId: id }]);
    expect(await refusal(env, ['sync', 'unheard'])).toBe('There is no source "unheard".\n');
    await rm(files, { recursive: true });
  });
});

describe('the check of the audit log', () => {
  let database: TestDatabase;
  let env: ChildEnv;
  let folder: string;
  let anchor: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), 'perennial-'));
    env = { DATA_DIR: folder, DATABASE_URL: database.url, ADMIN_PASSWORD: adminPassword };
    await json(env, ['init']);
    for (const name of ['ann', 'bob', 'cid', 'dora'])
      await json(env, ['create-user', name, '--email', `${name}@example.com`, '--no-password']);
  });
  afterAll(async () => {
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Does to the table what only its owner can, past the trigger that guards it. */
  async function tamper(...statements: string[]): Promise<void> {
    const [{ trigger }] = await database.source.query(
      `select tgname as trigger from pg_trigger where tgrelid = 'audit_event'::regclass and not tgisinternal limit 1`,
    );
    expect(trigger).toBeTruthy();
    await database.source.query('alter table audit_event disable trigger user');
    for (const statement of statements) await database.source.query(statement);
    await database.source.query('alter table audit_event enable trigger user');
  }

  async function faults(...args: string[]): Promise<unknown[]> {
    const { status, stdout } = await runCli(env, ['--json', 'audit', 'verify', ...args]);
    const report = JSON.parse(stdout);
    expect({ status, sound: report.sound }).toEqual(
      report.faults.length === 0 ? { status: 0, sound: true } : { status: 1, sound: false },
    );
    return report.faults;
  }

  it('reports no fault when no row was changed', async () => {
    const { head } = await json(env, ['audit', 'verify']);
    anchor = `${head.seq}:${head.hashHex}`;
    expect((await runCli(env, ['audit', 'verify', '--anchor', anchor])).stdout).toContain(
      `${head.seq} events, none changed`,
    );
    expect(await refusal(env, ['audit', 'verify', '--anchor', 'x'])).toMatch(/^--anchor/);
  });

  it('reports the row that was changed, inserted or removed', async () => {
    const [{ id }] = await database.source.query('select event_ids[3] as id from audit_seal where first_seq = 1');
    const rename = (to: string): Promise<void> =>
      tamper(`update audit_event set after = jsonb_set(after, '{username}', '"${to}"') where id = ${id}`);
    const [{ username }] = await database.source.query(
      `select after->>'username' as username from audit_event where id = ${id}`,
    );
    await rename('eve');
    expect(await faults()).toEqual([{ kind: 'changed', seq: 3, id }]);
    expect((await runCli(env, ['audit', 'verify'])).stdout).toMatch(new RegExp(`^3 +${id} +changed`, 'm'));
    await rename(username);
    expect(await faults()).toEqual([]);

    await tamper(
      `insert into audit_event (id, action, target_type, target_id, actor_name, address, request_id)
       values (-1, 'forged.event', 'user', '1', 'eve', '', 'x')`,
    );
    expect(await faults()).toEqual([{ kind: 'inserted', seq: 0, id: '-1' }]);
    await tamper('delete from audit_event where id = -1');
    expect(await faults()).toEqual([]);

    await tamper('delete from audit_event where id = (select event_ids[2] from audit_seal where first_seq = 1)');
    expect(await faults()).toEqual([{ kind: 'removed', seq: 2, id: null }]);
  });

  it('reports missing newest rows when it is given an anchor', async () => {
    const seq = Number(anchor.split(':')[0]);
    await tamper(`delete from audit_event where id >= (select max(id) from audit_event)`);
    expect(seq).toBeGreaterThan(3);
    expect(await faults('--anchor', anchor)).toContainEqual({ kind: 'removed', seq, id: null });
  });
});
