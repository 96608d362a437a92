import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCertificate } from '../../src/pki/certificate.js';
import { type Fate, ScriptedCa } from '../fakes/scripted-ca.js';
import { type ChildEnv, type ProgramChild, startChild } from '../support/child.js';
import { type ChildPlugin, compilePlugin } from '../support/child-plugin.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { adminPassword, eventually, signIn } from '../support/program.js';
import { seeded } from '../support/seeded.js';

interface Row {
  id: number;
  state: string;
  key: string;
  commonName: string;
  serialHex: string | null;
  fault: string | null;
}

const kinds = ['host', 'host', 'host', 'wrong', 'never'] as const;
const behaviours = { host: 'pending', wrong: 'other-names', never: 'never' } as const;

describe('a program that is killed at any moment while its CA is late, loses answers and fails', () => {
  const seed = Number(process.env['CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  const random = seeded(seed);
  let ca: ScriptedCa;
  let plugin: ChildPlugin;
  let dataDir: string;
  let database: TestDatabase;
  let child: ProgramChild | undefined;
  let env: ChildEnv;

  beforeEach(async () => {
    console.info(`To repeat this run: CRASH_SEED=${seed}`);
    ca = new ScriptedCa();
    ca.deliver();
    plugin = await compilePlugin('scripted-ca.issuer', 'childIssuer');
    dataDir = await mkdtemp(join(tmpdir(), 'perennial-'));
    database = await createTestDatabase();
    env = {
      ...plugin.env,
      SCRIPTED_CA_URL: await ca.url,
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      ADMIN_PASSWORD: adminPassword,
      ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
    };
  });
  afterEach(async () => {
    await child?.kill();
    await database.drop();
    await plugin.remove();
    await rm(dataDir, { recursive: true, force: true });
    await ca.stop();
  });

  const query = <T>(sql: string): Promise<T[]> => database.source.query<T[]>(sql);
  const rows = (): Promise<Row[]> =>
    query(`select id, state, secret_id as key, common_name as "commonName", serial_hex as "serialHex", fault
      from certificate order by id`);
  const start = async (): ReturnType<typeof signIn> => {
    child = await startChild(env);
    return signIn(child.url);
  };

  it(
    'loses no order, places and issues none twice, and leaves no unwanted certificate at the CA',
    {
      timeout: 480_000,
    },
    async () => {
      const open = new Map<string, object>();
      const answered = new Map<string, number>();
      let caller = await start();
      const ask = (): Promise<unknown> =>
        Promise.all(
          [...open].map(async ([key, body]) => {
            const answer = await caller
              .call('POST', '/certificates', body, { headers: { 'idempotency-key': key } })
              .catch(() => null);
            if (answer === null || answer.status >= 300) return;
            open.delete(key);
            answered.set(key, answer.body.id);
          }),
        );
      for (const [name, behaviour] of Object.entries(behaviours))
        await caller.ok('POST', '/authorities', {
          name,
          owner: 'pki@example.com',
          plugin: { id: 'scripted-ca', options: { behaviour } },
        });
      ca.fate = fateBy(random);
      ca.lateMs = () => random() * 1_000;
      for (let round = 0; round < 5; round += 1) {
        for (const [n, kind] of kinds.entries())
          open.set(`request-${round}-${n}`, {
            owner: 'joe@example.com',
            commonName: `${kind}-${round}-${n}.example.com`,
            authority: { name: kind },
            validityDays: 30,
          });
        const asked = ask();
        await sleep(500 + Math.floor(random() * 4_000));
        await child?.kill();
        await asked;
        // As if the restart had taken half a minute: the leases of the dead lapse.
        await query(
          `with jobs as (update outbox set lease_until = now() where lease_until is not null)
             update lease set until = now()`,
        );
        caller = await start();
      }
      ca.fate = () => 'fine';
      await ask();
      expect([...open.keys()]).toEqual([]);
      const due = (): Promise<unknown> =>
        query(`with soon as (update certificate set next_attempt_at = now() - interval '1 hour'
        where state in ('requested', 'pending') and fault = 'unavailable')
        update outbox set run_at = now() where state = 'due' and run_at > now()`);
      await eventually(async () => {
        await due();
        return (await rows()).every(({ state, commonName, fault }) =>
          commonName.startsWith('host')
            ? state === 'issued'
            : state === 'pending' && (fault === 'disputed') === commonName.startsWith('wrong'),
        );
      });
      for (const { id, state } of await rows())
        if (state === 'pending') await caller.ok('DELETE', `/pending_certificates/${id}`);
      await eventually(async () => {
        await due();
        return (await query(`select from withdrawal where state = 'due'`)).length === 0;
      });

      const all = await rows();
      expect(new Set(all.map(({ id }) => id))).toEqual(new Set(answered.values()));
      expect(all).toHaveLength(kinds.length * 5);
      for (const { key, commonName, state, serialHex } of all) {
        const orders = ca.orders.filter(({ request }) => request.idempotencyKey === key);
        expect(orders, commonName).toHaveLength(1);
        const [leafPem] = orders[0]?.chainPem ?? [];
        const atCa = leafPem === undefined ? null : parseCertificate(leafPem).serialHex;
        if (commonName.startsWith('host')) expect([state, serialHex], commonName).toEqual(['issued', atCa]);
        else expect([state, serialHex], commonName).toEqual(['cancelled', null]);
        if (commonName.startsWith('wrong')) expect(ca.revoked, commonName).toContain(atCa);
        if (commonName.startsWith('never'))
          expect(orders[0], commonName).toMatchObject({ isCancelled: true, chainPem: null });
      }
      expect(await query(`select job, last_error from outbox where state = 'dead'`)).toEqual([]);
      expect(await child?.stop()).toEqual({ status: 0, signal: null });
    },
  );
});

/** One request in four is lost on its way there or back; of the others a third is late. */
function fateBy(random: () => number): () => Fate {
  return () => {
    const fate = random();
    if (fate < 0.1) return 'busy';
    if (fate < 0.25) return 'lost';
    return fate < 0.6 ? 'late' : 'fine';
  };
}
