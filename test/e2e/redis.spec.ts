import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JobTimes } from '../../src/jobs/job-times.js';
import { type ChildEnv, type ProgramChild, startChild } from '../support/child.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { adminPassword, eventually, signIn, startProgram, type TestProgram } from '../support/program.js';
import { redisIsInstalled, startTestRedis, type TestRedis } from '../support/redis.js';

type Caller = Pick<TestProgram, 'ok'>;

const dayMs = 86_400_000;
/** The program must answer within this, whatever Redis does. */
const patienceMs = 90_000;
let redis: TestRedis;
let folder: string;

async function setUp({ ok }: Caller): Promise<void> {
  await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  await ok('POST', '/destinations', { label: 'folder', plugin: { slug: 'filesystem', options: { path: folder } } });
}

/** Certificates of 90 days that renew 30 days before their end. */
async function issue({ ok }: Caller, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, () => `${randomBytes(4).toString('hex')}.example.com`);
  await Promise.all(
    names.map((commonName) =>
      ok('POST', '/certificates', {
        owner: 'joe@example.com',
        commonName,
        authority: { name: 'root' },
        validityDays: 90,
        destinations: [{ label: 'folder' }],
        rotationPolicy: { name: 'default' },
      }),
    ),
  );
  return names;
}

interface Standing {
  commonName: string;
  serialHex: string;
  state: string;
  delivery: string | null;
}
const standing = (database: TestDatabase): Promise<Standing[]> =>
  database.source.query(
    `select common_name as "commonName", serial_hex as "serialHex", c.state, d.state as delivery
   from certificate c left join delivery d on d.certificate_id = c.id order by c.id`,
  );

/** Waits until every name has been delivered in this generation, 1 for the first, and holds the files to it. */
async function allDelivered(database: TestDatabase, names: readonly string[], generation: number): Promise<void> {
  const newest = await eventually(async () => {
    const lines = await standing(database);
    const current = names.map((name) => lines.filter((line) => line.commonName === name));
    const done = current.every(
      (line) =>
        line.length === generation &&
        line.every(({ state, delivery }, i) =>
          i === generation - 1
            ? state === 'issued' && delivery === 'delivered'
            : state === 'superseded' && delivery === 'replaced',
        ),
    );
    return done && current.flatMap((line) => line.slice(-1));
  });
  for (const { commonName, serialHex } of newest) {
    const read = (name: string): Promise<string> => readFile(join(folder, commonName, name), 'utf8');
    const certificate = new X509Certificate(await read('cert.pem'));
    expect(BigInt(`0x${certificate.serialNumber}`)).toBe(BigInt(`0x${serialHex}`));
    expect(certificate.checkPrivateKey(createPrivateKey(await read('privkey.pem')))).toBe(true);
  }
}

const get = (url: string): Promise<Response> => fetch(url, { signal: AbortSignal.timeout(patienceMs) });

beforeEach(async () => {
  if (redisIsInstalled()) redis = await startTestRedis();
  folder = await mkdtemp(join(tmpdir(), 'perennial-'));
});
afterEach(async () => {
  await redis?.remove();
  await rm(folder, { recursive: true, force: true });
});

describe.skipIf(!redisIsInstalled())('a program whose Redis', () => {
  let program: TestProgram | undefined;
  afterEach(async () => {
    await program?.stop();
    program = undefined;
  });

  async function start(): Promise<TestProgram> {
    program = await startProgram({ REDIS_URL: redis.url });
    // What Redis has forgotten is handed to it again after this; by default that takes half a minute.
    Object.assign(program.perennial.app.get(JobTimes), { queuedLeaseS: 2 });
    return program;
  }

  it('is flushed during the work still delivers and renews every certificate', async () => {
    const { ok, clock, database } = await start();
    await setUp({ ok });
    const issued = issue({ ok }, 40);
    for (let flushes = 0; flushes < 3; flushes += 1) await redis.flush();
    const names = await issued;
    await redis.flush();
    await allDelivered(database, names, 1);
    clock.advance(61 * dayMs);
    await eventually(async () => (await standing(database)).length > names.length);
    for (let flushes = 0; flushes < 5; flushes += 1) await redis.flush();
    await allDelivered(database, names, 2);
  });

  it('is stopped still issues, reports that Redis is down, and catches up when Redis is back', async () => {
    const { ok, call, clock, database, url } = await start();
    await setUp({ ok });
    const before = await issue({ ok }, 3);
    await allDelivered(database, before, 1);
    expect(await (await get(`${url}/health/ready`)).json()).toEqual({
      status: 'ok',
      checks: ['database', 'queue'],
      warnings: [],
    });

    await redis.stop();
    const meanwhile = await Promise.race([
      issue({ ok }, 5),
      new Promise<never>((_, reject) => setTimeout(reject, patienceMs, new Error('Issuing waits for Redis.')).unref()),
    ]);
    const ready = await get(`${url}/health/ready`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({
      reasons: { queue: [expect.stringContaining('Redis does not answer')] },
    });
    const metrics = await (await get(`${url}/metrics`)).text();
    expect(metrics).toMatch(/^perennial_jobs\{job="certificate.deploy",state="due"\} 5$/m);
    expect((await call('GET', '/certificates')).status).toBe(200);
    clock.advance(61 * dayMs);
    await eventually(
      async () =>
        (
          await database.source.query<unknown[]>(
            `select from outbox where job = 'certificate.rotate' and state = 'due'`,
          )
        ).length === 8,
    );
    expect((await standing(database)).filter(({ delivery }) => delivery === 'planned')).toHaveLength(5);

    await redis.start();
    await allDelivered(database, [...before, ...meanwhile], 2);
    expect((await get(`${url}/health/ready`)).status).toBe(200);
  });

  it('is down at boot starts, issues, and delivers once Redis is up', async () => {
    await redis.stop();
    const { ok, database, url } = await start();
    await setUp({ ok });
    const names = await issue({ ok }, 3);
    expect((await get(`${url}/health/ready`)).status).toBe(503);
    await redis.start();
    await allDelivered(database, names, 1);
  });
});

describe.skipIf(!redisIsInstalled())('two workers and an API process', () => {
  const children: ProgramChild[] = [];
  let database: TestDatabase;
  let dataDir: string;
  beforeEach(async () => {
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'perennial-'));
  });
  afterEach(async () => {
    await Promise.all(children.splice(0).map((child) => child.kill()));
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('share the jobs, and one worker does all jobs when the other is killed', async () => {
    const common = {
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      REDIS_URL: redis.url,
      ADMIN_PASSWORD: adminPassword,
      ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
    };
    const start = async (env: ChildEnv): Promise<ProgramChild> => {
      const child = await startChild({ ...common, ...env });
      children.push(child);
      return child;
    };
    const [api, doomed, survivor] = await Promise.all(
      ['api', 'worker', 'worker'].map((role) => start({ PERENNIAL_ROLE: role })),
    );
    if (!api || !doomed || !survivor) throw new Error('Three were asked for.');
    const caller = await signIn(api.url);
    await setUp(caller);
    const doneBy = async ({ pid }: ProgramChild): Promise<number> =>
      (
        await database.source.query<unknown[]>(
          `select from job_run where worker like '%:' || $1::int and outcome = 'ok'`,
          [pid],
        )
      ).length;
    const names: string[] = [];
    while ((await doneBy(doomed)) === 0 || (await doneBy(survivor)) === 0) names.push(...(await issue(caller, 20)));
    const last = issue(caller, 40);
    const enough = (await doneBy(doomed)) + 2;
    await eventually(async () => (await doneBy(doomed)) >= enough);
    await doomed.kill();
    // Its leases lapse at once, as if half a minute had passed. No other attempt wants the places of the survivor's.
    await database.source.query(
      `update outbox set lease_until = now() from job_run r where r.id::text = leased_by
        and r.worker like '%:' || $1::int`,
      [doomed.pid],
    );
    await database.source.query(`update lease set until = now() where name like 'deliver:%'`);
    names.push(...(await last));
    await allDelivered(database, names, 1);
    expect(await doneBy(api)).toBe(0);
    expect(await database.source.query(`select from outbox where state = 'dead'`)).toEqual([]);
    for (const child of [api, survivor]) expect(await child.stop()).toEqual({ status: 0, signal: null });
  });
});
