import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

/** Of three certificates in line, oldest first, the first two are in force and at a destination that fails. */
interface Line {
  ids: [number, number, number];
  destination: { id: number; folder: string };
}

describe('the lock order', () => {
  let program: TestProgram;
  let line: Line;
  let holder: ReturnType<TestProgram['database']['source']['createQueryRunner']>;
  let number = 0;

  beforeAll(async () => {
    program = await startProgram({ ALLOW_CERT_DELETION: 'true' });
    await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
  });
  afterAll(() => program.stop());

  const issue = (more: object = {}): Promise<Json> =>
    program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: `lock${++number}.example.com`,
      authority: { name: 'root' },
      validityDays: 90,
      rotationPolicy: { name: 'default' },
      ...more,
    });

  const makeLine = async (): Promise<Line> => {
    const folder = join(program.dataDir, '..', `${program.dataDir.split('/').at(-1)}-lock${++number}`);
    await writeFile(folder, 'in the way');
    const { id } = await program.ok('POST', '/destinations', {
      label: `lock${number}`,
      open: true,
      plugin: { id: 'filesystem', options: { path: folder } },
    });
    const first = await issue({ destinations: [{ id }] });
    const second = await program.ok('POST', `/certificates/${first.id}/reissue`);
    const third = await program.ok('POST', `/certificates/${second.id}/reissue`);
    await eventually(async () => (await deliveries(third.id))[0]?.state === 'failing');
    return { ids: [first.id, second.id, third.id], destination: { id, folder } };
  };
  const deliveries = async (id: number): Promise<{ id: number; state: string }[]> =>
    (await program.ok('GET', `/certificates/${id}/deliveries`)).items;

  beforeEach(async () => {
    line = await makeLine();
    holder = program.database.source.createQueryRunner();
    await holder.startTransaction();
  });
  afterEach(async () => {
    if (holder.isTransactionActive) await holder.rollbackTransaction();
    await holder.release();
    await rm(line.destination.folder, { recursive: true, force: true });
  });

  /** Holds the oldest of the line, and answers once the transaction of `act` waits for it. */
  const startWhileOldestIsHeld = async (act: () => Promise<unknown>): Promise<{ acted: Promise<unknown> }> => {
    await holder.query('select from certificate where id = $1 for no key update', [line.ids[0]]);
    const [{ pid }] = await holder.query('select pg_backend_pid() as pid');
    const acted = act();
    acted.catch(() => undefined);
    await eventually(async () => {
      const blocked: unknown[] = await program.database.source.query(
        'select from pg_stat_activity where $1::int = any(pg_blocking_pids(pid))',
        [pid],
      );
      return blocked.length > 0;
    });
    return { acted };
  };

  const isFree = async (sql: string): Promise<boolean> => {
    await holder.query('savepoint look');
    try {
      await holder.query(`${sql} for no key update nowait`, [line.ids]);
      return true;
    } catch {
      await holder.query('rollback to savepoint look');
      return false;
    }
  };

  it.each<[string, () => Promise<unknown>]>([
    [
      'an update of the oldest, whose deliveries its successors get',
      async () => {
        const { id } = await program.ok('POST', '/destinations', {
          label: `more${++number}`,
          open: true,
          plugin: { id: 'filesystem', options: { path: `${line.destination.folder}-more` } },
        });
        return program.ok('PUT', `/certificates/${line.ids[0]}`, {
          destinations: [{ id: line.destination.id }, { id }],
        });
      },
    ],
    ['an update of the newest', () => program.ok('PUT', `/certificates/${line.ids[2]}`, { replaces: [] })],
    ['a hand-over', () => program.ok('PUT', `/certificates/${line.ids[0]}`, { owner: 'amy@example.com' })],
    ['an acceptance', () => program.ok('POST', `/certificates/${line.ids[0]}/accept`)],
    [
      'a revocation of the newest',
      () => program.ok('PUT', `/certificates/${line.ids[2]}/revoke`, { crlReason: 'superseded' }),
    ],
    [
      'a revocation of the oldest',
      () => program.ok('PUT', `/certificates/${line.ids[0]}/revoke`, { crlReason: 'keyCompromise' }),
    ],
    ['a reissue of the newest', () => program.ok('POST', `/certificates/${line.ids[2]}/reissue`)],
    [
      'a new certificate that replaces two',
      () => issue({ replaces: [{ id: line.ids[2] }, { id: line.ids[0] }], destinations: [] }),
    ],
    [
      'an arrival of the newest',
      async () => {
        await rm(line.destination.folder);
        await mkdir(line.destination.folder);
        const [delivery] = await deliveries(line.ids[2]);
        await program.ok('POST', `/deliveries/${delivery?.id}/retry`);
        await eventually(async () => (await deliveries(line.ids[2]))[0]?.state === 'delivered');
      },
    ],
  ])('is the oldest certificate first, then the next, then deliveries, for %s', async (_, act) => {
    const { acted } = await startWhileOldestIsHeld(act);
    // The program's own jobs lock rows for a moment; what waits for the oldest keeps its locks.
    expect(await eventually(() => isFree('select from certificate where id = any($1)'))).toBe(true);
    expect(await eventually(() => isFree('select from delivery where certificate_id = any($1)'))).toBe(true);
    await holder.rollbackTransaction();
    await acted;
  });
});
