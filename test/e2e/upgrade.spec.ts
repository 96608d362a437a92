import { X509Certificate, createPrivateKey, createPublicKey } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { plugins } from '../../plugins/index.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineDestination } from '../../src/plugin-api/destination.js';
import { defineIssuer } from '../../src/plugin-api/issuer.js';
import { Periodic } from '../../src/jobs/periodic.js';
import { runCli } from '../support/child.js';
import { createEmptyDatabase, type TestDatabase } from '../support/database.js';
import type { Json } from '../support/json.js';
import { eventually, MovableClock, startProgramOn, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';
import { sweptTwice } from '../support/sweeps.js';

const folder = join(__dirname, '../fixtures/upgrade');
const dumps = readdirSync(folder).flatMap((file) => /^(.+)\.sql\.gz$/.exec(file)?.[1] ?? []);

/** What make.mjs says of a dump. */
interface DumpFacts {
  now: string;
  password: string;
  keys: string[];
  tokenSecret: string;
  apiKey: string;
  user: string;
  /** Certificates whose deliveries waited for a process that runs jobs; the first ten were revoked. */
  waitingIds: number[];
  counts: Record<string, number>;
}

/** An order reference holds the answer, so that the order outlives the process that placed it. */
const toyIssuer = defineIssuer({
  id: 'toy-issuer',
  title: 'Toy issuer',
  description: 'Answers orders of the dump.',
  options: z.strictObject({ behaviour: z.string().meta({ title: 'Behaviour', description: 'For the dump.' }) }),
  answers: 'later',
  order: () => Promise.reject(new PluginError('unavailable', 'The CA is down.')),
  poll: async ({ orderRef }) => ({
    status: 'issued',
    chainPem: JSON.parse(Buffer.from(orderRef, 'base64').toString()) as string[],
  }),
  revoke: async () => undefined,
});

/** Where each delivery of today has put which leaf. */
const delivered = new Map<string, string>();
const toyDestination = defineDestination({
  id: 'toy-destination',
  title: 'Toy destination',
  description: 'Remembers what is there.',
  options: z.strictObject({ site: z.string().meta({ title: 'Site', description: 'For the dump.' }) }),
  needsPrivateKey: true,
  locate: ({ bundle: { commonName } }, { site }) => `${site}/${commonName}`,
  async deliver(
    {
      bundle: {
        commonName,
        chainPem: [leafPem = ''],
      },
    },
    { site },
  ) {
    delivered.set(`${site}/${commonName}`, leafPem);
    return { location: `${site}/${commonName}` };
  },
  async remove({ location }) {
    delivered.delete(location);
  },
});

async function restore(name: string): Promise<TestDatabase> {
  const database = await createEmptyDatabase();
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query(gunzipSync(readFileSync(join(folder, `${name}.sql.gz`))).toString()).finally(() => client.end());
  return database;
}

it('there is a dump to upgrade from', () => {
  expect(dumps).not.toEqual([]);
});

describe.each(dumps)('the database of %s', (name) => {
  const facts = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as DumpFacts;
  const env = { ENCRYPTION_KEYS: facts.keys.join(','), TOKEN_SECRETS: facts.tokenSecret };
  const clock = new MovableClock();
  let program: TestProgram;
  beforeAll(async () => {
    delivered.clear();
    const database = await restore(name);
    clock.advance(Date.parse(facts.now) - Date.now());
    program = await startProgramOn(
      database,
      clock,
      { ...env, ADMIN_PASSWORD: facts.password },
      { plugins: [...plugins, toyIssuer, toyDestination] },
    );
  });
  afterAll(() => program.stop());

  const rows = <T>(sql: string): Promise<T[]> => program.database.source.query<T[]>(sql);
  const everything = async (path: string): Promise<Json[]> => {
    const items: Json[] = [];
    for (let page = 1; ; page += 1) {
      const answer = await program.ok('GET', `${path}?count=100&page=${page}`);
      items.push(...answer.items);
      if (answer.items.length < 100) return items;
    }
  };
  const mails = async (): Promise<string[]> =>
    (await everything('/mails')).map(({ to, subject, text }) => JSON.stringify([to, subject, text]));
  /** Every sweep has ended once more, begun after this call. Tasks with an interval of their own are rare. */
  const swept = async (): Promise<void> => {
    const { intervals } = program.perennial.app.get(Periodic);
    const sweeps = [...intervals].flatMap(([task, seconds]) => (seconds <= 1 ? [task] : []));
    await sweptTwice(program, ...sweeps);
  };
  const idle = (): Promise<unknown> =>
    eventually(
      async () => (await rows(`select from outbox where state = 'due' and run_at <= now() limit 1`)).length === 0,
      120_000,
    );

  it('shows as many rows in lists as the tables had', async () => {
    const lists = {
      users: 'app_user',
      roles: 'role',
      keys: 'api_key',
      authorities: 'authority',
      destinations: 'destination',
      notifications: 'notification',
      policies: 'rotation_policy',
      sources: 'source',
      endpoints: 'endpoint',
      domains: 'domain',
      'domain-rules': 'domain_rule',
    };
    for (const [path, table] of Object.entries(lists)) {
      const items = await everything(`/${path}`);
      expect({ path, rows: items.length }).toEqual({ path, rows: facts.counts[table] });
      expect(new Set(items.map(({ id, aid }) => id ?? aid)).size).toBe(items.length);
    }
    for (const path of ['/certificates', '/pending_certificates', '/deliveries', '/logs', '/jobs', '/mails'])
      expect((await everything(path)).length).toBeGreaterThan(0);
  });

  it('accepts the old passwords and API keys', async () => {
    expect(await program.login(facts.user, facts.password)).toEqual(expect.any(String));
    expect(await program.call('GET', '/certificates?count=1', undefined, { token: facts.apiKey })).toMatchObject({
      status: 200,
    });
  });

  it('has a chain of audit events that verifies from the first event on', async () => {
    const { status, stdout } = await runCli({ ...env, DATABASE_URL: program.database.url, DATA_DIR: program.dataDir }, [
      '--json',
      'audit',
      'verify',
    ]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ sound: true, faults: [], overdue: 0 });
  });

  it('runs the jobs that were due or interrupted by a crash, each once', async () => {
    await idle();
    const states = await rows<{ id: number; state: string }>(
      `select certificate_id as id, state from delivery where certificate_id = any('{${facts.waitingIds.join()}}')`,
    );
    const revoked = new Set(facts.waitingIds.slice(0, 10));
    expect(states.filter(({ id, state }) => !revoked.has(id) && state !== 'delivered')).toEqual([]);
    expect(states.filter(({ id, state }) => revoked.has(id) && state === 'delivered')).toEqual([]);
    expect(states).toHaveLength(facts.waitingIds.length);
  });

  it('sends no notice a second time', async () => {
    await swept();
    await idle();
    expect(await mails()).toHaveLength(facts.counts['mail'] ?? 0);
  });

  it('gets the certificates of open orders', async () => {
    clock.advance(3_700_000);
    await eventually(
      async () =>
        (await rows(`select from certificate where common_name like 'late-%' and state = 'pending' limit 1`)).length ===
        0,
    );
    const orders = await rows<{ state: string; count: number }>(
      `select state, count(*)::int as count from certificate where common_name like 'late-%' group by state`,
    );
    expect(orders).toEqual([{ state: 'issued', count: 20 }]);
  });

  it('opens every private key, and each fits its certificate', async () => {
    const keyed = await rows<{ id: number; body: Buffer }>(
      'select id, body_der as body from certificate where sealed_key is not null and body_der is not null',
    );
    expect(keyed.length).toBeGreaterThan(300);
    for (const { id, body } of keyed) {
      const { key } = await program.ok('GET', `/certificates/${id}/key`);
      const spki = createPublicKey(createPrivateKey(key)).export({ type: 'spki', format: 'der' });
      expect(new X509Certificate(body).publicKey.export({ type: 'spki', format: 'der' })).toEqual(spki);
    }
  });

  it('signs with the key of every authority', async () => {
    for (const { id, name: authority, authorityCertificate } of await everything('/authorities')) {
      if (!/^(root|sub)-/.test(authority)) continue;
      const issued = await program.ok('POST', '/certificates', {
        owner: 'joe@example.com',
        commonName: `after-${id}.example.com`,
        authority: { name: authority },
        validityDays: 900,
        notify: false,
      });
      const ca = new X509Certificate(authorityCertificate.body);
      expect(new X509Certificate(issued.body).verify(ca.publicKey)).toBe(true);
    }
  });

  it('moves every sealed value to the newest key', async () => {
    await program.ok('POST', '/admin/rekey');
    await eventually(async () => (await program.ok('GET', '/admin/rekey')).toMove === 0);
  });

  it('sends each new notice once', async () => {
    const before = await mails();
    for (let step = 0; step < 4; step += 1) {
      clock.advance(10 * dayMs);
      await swept();
      await idle();
    }
    const after = await mails();
    expect(after.length).toBeGreaterThan(before.length);
    expect(after.filter((mail, i) => after.indexOf(mail) !== i)).toEqual([]);
  });

  it('renews each certificate that became due once, and delivers it', async () => {
    const overdue = await rows(
      `select c.id from certificate c where c.common_name ~ '^host-(3[0-3][0-9]|[0-5]?[0-9])[.]' and c.state = 'issued'
         and c.rotation and c.not_after < '${clock.now().toISOString()}'`,
    );
    expect(overdue).toEqual([]);
    const twice = await rows(
      `select renews_id from certificate where renews_id is not null group by renews_id having count(*) > 1`,
    );
    expect(twice).toEqual([]);
    const renewed = await rows<{ name: string; location: string; body: Buffer }>(
      `select c.name, d.location, c.body_der as body from certificate c join delivery d on d.certificate_id = c.id
       where c.renews_id is not null and c.state = 'issued' and c.created_at > '${facts.now}'`,
    );
    expect(renewed.length).toBeGreaterThan(30);
    for (const { location, body } of renewed)
      expect(delivered.get(location)).toBe(new X509Certificate(body).toString());
  });
});
