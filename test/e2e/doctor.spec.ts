import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Periodic } from '../../src/jobs/periodic.js';
import { type ChildEnv, runCli } from '../support/child.js';
import { createEmptyDatabase } from '../support/database.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { startSmtp } from '../support/smtp.js';

describe('the doctor', () => {
  const keys = `main:${randomBytes(32).toString('base64')}`;
  let program: TestProgram;
  let folder: string;
  let env: ChildEnv;
  beforeAll(async () => {
    program = await startProgram({ ENCRYPTION_KEYS: keys });
    folder = await mkdtemp(join(tmpdir(), 'perennial-'));
    env = {
      DATA_DIR: folder,
      DATABASE_URL: program.database.url,
      ENCRYPTION_KEYS: keys,
      TOKEN_SECRETS: 'x'.repeat(40),
    };
    await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
    await program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'a.example.com',
      authority: { name: 'root' },
    });
    const done = async (): Promise<number> =>
      (
        await program.database.source.query(
          'select count(*)::int as n from periodic_task where last_success_at is not null',
        )
      )[0].n;
    await eventually(
      async () => (await done()) === program.perennial.app.get(Periodic, { strict: false }).intervals.size,
    );
  });
  afterAll(async () => {
    await stop();
    await program.database.drop();
    await rm(program.dataDir, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  });

  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= program.perennial.stop());

  const sql = (statement: string): Promise<unknown> => program.database.source.query(statement);

  /** The faults it finds, as `part: text`; each comes with an advice, and the status says whether there are any. */
  async function faults(changes: ChildEnv = {}, ...args: string[]): Promise<string[]> {
    const { status, stdout } = await runCli({ ...env, ...changes }, ['--json', 'doctor', ...args]);
    const { sound, findings } = JSON.parse(stdout);
    const found = findings.filter(({ state }: { state: string }) => state === 'fault');
    expect(found.every(({ advice }: { advice: string }) => advice.length > 10)).toBe(true);
    expect({ status, sound }).toEqual(found.length === 0 ? { status: 0, sound: true } : { status: 1, sound: false });
    return found.map(({ part, text }: { part: string; text: string }) => `${part}: ${text}`);
  }

  it('finds nothing where everything works', async () => {
    const { status, stdout } = await runCli(env, ['doctor']);
    expect(stdout).toMatch(
      /^ok +database +reachable$[^]*^ok +periodic +every task ran in time$[^]*^No fault found\.$/m,
    );
    expect(status).toBe(0);
  });

  it('reports faults of the settings, the data folder, the database and the tables', async () => {
    expect(await faults({ PORT: 'eighty' })).toEqual([expect.stringMatching(/^settings: [^]*PORT/)]);
    await chmod(folder, 0o755);
    expect(await faults()).toEqual([expect.stringMatching(/^folder: .* is open to other users \(mode 755\)/)]);
    await chmod(folder, 0o700);
    expect(await faults({ DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:1/x' })).toEqual([
      expect.stringMatching(/^database: The database cannot be reached: .*ECONNREFUSED/),
    ]);
    const empty = await createEmptyDatabase([]);
    expect(await faults({ DATABASE_URL: empty.url })).toEqual([
      expect.stringMatching(/^tables: \d+ migrations missing/),
    ]);
    await empty.drop();
  });

  it('reports faults of the queue, mail and clock, and sends a mail only on request', async () => {
    expect(await faults({ REDIS_URL: 'redis://127.0.0.1:1', SMTP_URL: 'smtp://127.0.0.1:1' })).toEqual([
      expect.stringMatching(/^queue: Redis does not answer: .*ECONNREFUSED/),
      expect.stringMatching(/^mail: The mail server cannot be reached/),
    ]);
    const smtp = await startSmtp();
    expect(await faults({ SMTP_URL: smtp.url })).toEqual([]);
    expect(smtp.received).toEqual([]);
    expect(await faults({ SMTP_URL: smtp.url }, '--send-to', 'ops@example.com')).toEqual([]);
    expect(smtp.received).toMatchObject([{ to: ['ops@example.com'] }]);
    smtp.close();
    const liar = createServer(
      (_, response) => void response.setHeader('date', new Date(Date.now() - 60_000).toUTCString()).end(),
    ).listen(0, '127.0.0.1');
    await once(liar, 'listening');
    const url = `http://127.0.0.1:${(liar.address() as AddressInfo).port}/`;
    expect(await faults({}, '--clock-url', url)).toEqual([
      expect.stringMatching(/^clock: \d+ s off the clock of http/),
    ]);
    liar.close();
  });

  it('reports a key ring that lacks a key, and a value that cannot be opened', async () => {
    expect(await faults({ ENCRYPTION_KEYS: `other:${randomBytes(32).toString('base64')}` })).toEqual([
      expect.stringMatching(/^key ring: .*"main", which is missing/),
    ]);
    await sql(`create table kept as select id, sealed_key from certificate`);
    await sql(
      `update certificate set sealed_key = set_byte(sealed_key, length(sealed_key) - 1, get_byte(sealed_key,
        length(sealed_key) - 1) # 1)`,
    );
    expect(await faults()).toEqual([
      expect.stringMatching(/^key ring: certificate\.sealed_key\.\S+ cannot be decrypted/),
    ]);
    await sql(`update certificate c set sealed_key = kept.sealed_key from kept where kept.id = c.id`);
    await sql('drop table kept');
  });

  it('reports invalid options, dead letters, late renewals, failing deliveries and stopped tasks', async () => {
    await program.ok('POST', '/destinations', {
      label: 'web',
      plugin: { id: 'filesystem', options: { path: join(folder, 'out') } },
    });
    await sql(`update destination set options = '{"path": 7}' where label = 'web'`);
    for (const label of ['down', 'forgotten', 'odd', 'unused']) {
      await program.ok('POST', '/sources', {
        label,
        owner: 'joe@example.com',
        active: false,
        plugin: { id: 'filesystem-source', options: { path: folder } },
      });
    }
    await sql(`update source set options = '{"path": 7}' where label = 'odd'`);
    await sql(`update source set active = label <> 'unused', created_at = created_at - interval '9 days',
      last_run_at = case label when 'odd' then now() end,
               (fault, fault_detail) = (select 'unavailable', 'No such folder' where label in ('down', 'unused'))`);
    await sql(
      `insert into outbox (id, job, data, run_at, state, attempts, finished_at, last_error)
        values (gen_random_uuid(), 'certificate.deploy', '{}', now(), 'dead', 5, now(), 'x')`,
    );
    await sql(
      `update certificate set rotation = true, next_renewal_at = now() + interval '1 hour', renewal_fault = 'refused',
        renewal_detail = 'The CA said no'`,
    );
    await sql(`insert into delivery (certificate_id, destination_id, state, attempts, fault, fault_detail,
      next_attempt_at, created_at)
               select c.id, d.id, 'failing', 1, 'unavailable', 'No such host', now() + interval '1 hour', now()
                 from certificate c, destination d`);
    const found = await faults();
    expect(found).toEqual([
      expect.stringMatching(/^plugins: destination "web": The options of .* no longer fit/),
      expect.stringMatching(/^plugins: source "odd": The options of .* no longer fit/),
      'jobs: 1 dead letter of certificate.deploy',
      'sources: "down" cannot be scanned (never yet): No such folder',
      'sources: "forgotten" is not scanned on schedule, never yet',
      expect.stringMatching(
        /^renewals: a\.example\.com-\S+ \(expires \d{4}-\d\d-\d\d\) is not renewed: The CA said no$/,
      ),
      expect.stringMatching(/^deliveries: a\.example\.com-\S+ is not at web: No such host$/),
    ]);
    await stop();
    await sql(
      `update periodic_task set last_success_at = now() - interval '1 day',
        failures = case name when 'audit.seal' then 3 else 0 end, last_error = 'x'`,
    );
    expect(await faults()).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^periodic: due-work last ran/),
        'periodic: audit.seal failed 3 times: x',
      ]),
    );
    await sql(`update periodic_task set last_started_at = now() - interval '1 day'`);
    expect(await runCli(env, ['sync', 'down'])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^No process scans sources now/),
    });
  });
});
