import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ChildEnv, type ProgramChild, startChild } from '../support/child.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { adminPassword, eventually, signIn } from '../support/program.js';
import { seeded } from '../support/seeded.js';

type Caller = Awaited<ReturnType<typeof signIn>>;

interface CertificateRow {
  id: number;
  state: string;
  commonName: string;
  renewsId: number | null;
  requestKey: string | null;
  serialHex: string;
  sealed: boolean;
}

/**
 * Together they renew every certificate some fifteen seconds after it was issued, and leave a slow machine time to
 * answer in.
 */
const eager = { name: 'eager', lifetimeFraction: 0.8 };
const lifetimeMs = 90_000;

/** A program that is killed again and again, and a client that repeats what was not answered. */
class Ordeal {
  private child: ProgramChild | undefined;
  private caller: Caller | undefined;
  private readonly open = new Map<string, Record<string, unknown> & { validityEnd: string }>();
  /** Ids by the key of the request. */
  readonly answered = new Map<string, number>();
  private next = 0;

  constructor(
    private readonly env: ChildEnv,
    private readonly random: () => number,
    readonly folder: string,
  ) {}

  get client(): Caller {
    if (!this.caller) throw new Error('The program does not run.');
    return this.caller;
  }

  async start(): Promise<void> {
    this.child = await startChild(this.env);
    this.caller = await signIn(this.child.url);
  }

  async setUp(): Promise<void> {
    await this.start();
    const { ok } = this.client;
    await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
    await ok('POST', '/policies', eager);
    await ok('POST', '/destinations', {
      label: 'folder',
      plugin: { slug: 'filesystem', options: { path: this.folder } },
    });
  }

  /** Asks for new certificates and kills the program at a random moment of that. */
  async round(requests: number, whileDead?: () => Promise<unknown>): Promise<void> {
    for (let n = 0; n < requests; n += 1) this.plan();
    const afterMs = Math.floor(this.random() * 1_500);
    const asked = this.ask();
    await sleep(afterMs);
    await this.child?.kill();
    await asked;
    await whileDead?.();
    await this.start();
  }

  /** Asks until everything has been answered. */
  async finish(): Promise<void> {
    await this.ask();
    expect([...this.open.keys()]).toEqual([]);
  }

  async end(): Promise<void> {
    expect(await this.child?.stop()).toEqual({ status: 0, signal: null });
  }

  async kill(): Promise<void> {
    await this.child?.kill();
  }

  private plan(): void {
    this.next += 1;
    const now = Date.now();
    this.open.set(`request-${this.next}`, {
      owner: 'joe@example.com',
      commonName: `host-${this.next}.example.com`,
      authority: { name: 'root' },
      rotationPolicy: { name: eager.name },
      destinations: [{ label: 'folder' }],
      validityEnd: new Date(now + lifetimeMs).toISOString(),
    });
  }

  private async ask(): Promise<void> {
    await Promise.all(
      [...this.open].map(async ([key, body]) => {
        const answer = await this.client
          .call('POST', '/certificates', body, { headers: { 'idempotency-key': key } })
          .catch(() => null);
        if (answer === null) return;
        // On a slow machine the end can pass before the program is up: nothing was stored, and it is not asked again.
        if (answer.status === 400 && Date.parse(body.validityEnd) <= Date.now()) return void this.open.delete(key);
        // A repeated request is answered with what there is: a slow machine may have renewed it meanwhile.
        const lifecycle = expect.stringMatching(/^(issued|superseded)$/);
        expect(answer, key).toMatchObject({ status: 200, body: { lifecycle } });
        this.open.delete(key);
        this.answered.set(key, answer.body.id);
      }),
    );
  }
}

/** Lets no more renewals begin, switches rotation off, and waits until nothing is to be done any more. */
async function quiet(ordeal: Ordeal, query: <T>(sql: string) => Promise<T[]>): Promise<void> {
  const { ok } = ordeal.client;
  // A slow machine renews certificates faster than the requests below reach their successors.
  await ok('POST', '/rotation/pauses', { scope: 'all', holdsEmergencies: true, reason: 'The test ends.' });
  await eventually(async () => {
    for (const { id } of await query<{ id: number }>(`select id from certificate where rotation and state = 'issued'`))
      await ok('PUT', `/certificates/${id}`, { rotation: false });
    const [open] = await query<{ jobs: number; deliveries: number; renewals: number }>(`select
      (select count(*)::int from outbox where state = 'due') as jobs,
      (select count(*)::int from delivery where state in ('planned', 'failing', 'removing')) as deliveries,
      (select count(*)::int from certificate where next_renewal_at is not null) as renewals`);
    return open?.jobs === 0 && open.deliveries === 0 && open.renewals === 0;
  });
}

/** Holds everything to the promise: no certificate lost, none made twice for one request, every delivery done. */
async function judge(ordeal: Ordeal, query: <T>(sql: string) => Promise<T[]>): Promise<number> {
  const rows = await query<CertificateRow>(`select id, state, common_name as "commonName", renews_id as "renewsId",
      request_key as "requestKey",
    serial_hex as "serialHex", sealed_key is not null as sealed from certificate order by id`);
  const requested = rows.filter((row) => row.requestKey !== null);
  expect(new Map(requested.map((row) => [row.requestKey, row.id]))).toEqual(ordeal.answered);
  expect(requested).toHaveLength(ordeal.answered.size);

  const successors = new Map(rows.filter((row) => row.renewsId !== null).map((row) => [row.renewsId, row]));
  expect(successors.size).toBe(rows.length - requested.length);
  for (const first of requested) await judgeLine(ordeal, lineFrom(first, successors));

  expect(await query(`select job, last_error from outbox where state = 'dead'`)).toEqual([]);
  expect(
    await query(
      `select destination_id, location from delivery where state = 'delivered' group by 1, 2 having count(*) > 1`,
    ),
  ).toEqual([]);
  return rows.length - requested.length;
}

function lineFrom(first: CertificateRow, successors: ReadonlyMap<number | null, CertificateRow>): CertificateRow[] {
  const line = [first];
  for (let next = successors.get(first.id); next; next = successors.get(next.id)) line.push(next);
  return line;
}

async function judgeLine({ client, folder }: Ordeal, line: CertificateRow[]): Promise<void> {
  const newest = line.at(-1);
  if (!newest) throw new Error('An empty line.');
  expect(line.map((row) => row.state)).toEqual(line.map((row) => (row === newest ? 'issued' : 'superseded')));
  const { items } = await client.ok('GET', `/certificates/${newest.id}/deliveries`);
  expect(items).toMatchObject([
    { state: 'delivered', fault: null, attempts: 0, location: join(folder, newest.commonName) },
  ]);

  const file = (name: string): Promise<string> => readFile(join(folder, newest.commonName, name), 'utf8');
  const certificate = new X509Certificate(await file('cert.pem'));
  expect(certificate.serialNumber.toLowerCase()).toBe(newest.serialHex.toLowerCase());
  expect(certificate.checkPrivateKey(createPrivateKey(await file('privkey.pem')))).toBe(true);
  const { body, key } = {
    ...(await client.ok('GET', `/certificates/${newest.id}`)),
    ...(await client.ok('GET', `/certificates/${newest.id}/key`)),
  };
  expect(new X509Certificate(body).fingerprint256).toBe(certificate.fingerprint256);
  expect(certificate.checkPrivateKey(createPrivateKey(key))).toBe(true);
}

describe('a program that is killed at any moment', () => {
  const seed = Number(process.env['CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  const random = seeded(seed);
  let dataDir: string;
  let folder: string;
  let ordeal: Ordeal | undefined;
  let database: TestDatabase | undefined;

  beforeEach(async () => {
    console.info(`To repeat this run: CRASH_SEED=${seed}`);
    dataDir = await mkdtemp(join(tmpdir(), 'perennial-'));
    folder = await mkdtemp(join(tmpdir(), 'perennial-'));
  });
  afterEach(async () => {
    await ordeal?.kill();
    await database?.drop();
    await rm(dataDir, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  });

  it('loses no certificate, issues none twice, and completes every delivery', { timeout: 480_000 }, async () => {
    database = await createTestDatabase();
    const { source } = database;
    const query = <T>(sql: string): Promise<T[]> => source.query<T[]>(sql);
    ordeal = new Ordeal(
      {
        DATABASE_URL: database.url,
        DATA_DIR: dataDir,
        ADMIN_PASSWORD: adminPassword,
        ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
      },
      random,
      folder,
    );
    await ordeal.setUp();
    // Every second time the leases of the dead lapse at once, as if the restart had taken half a minute.
    const halfAMinute = (): Promise<unknown> =>
      query(
        'with jobs as (update outbox set lease_until = now() where lease_until is not ' +
          'null) update lease set until = now()',
      );
    for (let round = 1; round <= 8; round += 1) await ordeal.round(8, round % 2 === 0 ? halfAMinute : undefined);
    await ordeal.finish();
    await eventually(
      async () => (await query('select from certificate where renews_id is not null limit 1')).length > 0,
    );
    await quiet(ordeal, query);
    expect(await judge(ordeal, query)).toBeGreaterThan(0);
    await ordeal.end();
  });

  it('on its embedded database loses nothing either, and starts the database again', { timeout: 480_000 }, async () => {
    ordeal = new Ordeal({ DATA_DIR: dataDir, ADMIN_PASSWORD: adminPassword }, random, folder);
    await ordeal.setUp();
    for (let round = 1; round <= 2; round += 1) await ordeal.round(8);
    await ordeal.finish();
    const socket = encodeURIComponent(join(dataDir, 'postgres/socket'));
    const client = new Client({ connectionString: `postgresql:///perennial?host=${socket}&user=perennial` });
    await client.connect();
    const query = async <T>(sql: string): Promise<T[]> => (await client.query(sql)).rows as T[];
    await quiet(ordeal, query);
    await judge(ordeal, query);
    await client.end();
    await ordeal.end();
  });
});
