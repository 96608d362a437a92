import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ada, type ChainLink, old, TestAuditLog } from '../../test/support/audit-log.js';
import { writeHead } from './audit-head.js';
import { canonicalRow, keyedHash, plainHash } from './chain.js';

let log: TestAuditLog;

beforeEach(async () => {
  log = await TestAuditLog.create();
});
afterEach(() => {
  vi.restoreAllMocks();
  return log.drop();
});

describe('an owner of the database without the key ring', () => {
  /** Makes the rows from `from` on fit one another again as versions without keys sealed them. */
  async function resealPlain(from: number, keyId: string | null = null): Promise<void> {
    const { manager } = log.test.source;
    const links = await log.links();
    let prevHash = links[from - 1]?.prevHash as Buffer;
    for (const link of links.slice(from - 1)) {
      const [{ canonical }] = await manager.query(
        `select ${canonicalRow} as canonical from audit_event where id = $1`,
        [link.id],
      );
      Object.assign(link, { prevHash, hash: plainHash(prevHash, canonical), keyId });
      prevHash = link.hash;
    }
    await log.forge(links);
  }
  async function insert(): Promise<void> {
    await log.tamper(`select nextval('audit_event_id_seq')`);
    await log.tamper(`insert into audit_event (id, action, target_type, target_id, actor_name, address, request_id)
      values (7, 'a.b', 'a', '1', 'eve', '', '')`);
    const links = await log.links();
    const last = links.at(-1) as ChainLink;
    await log.forge([...links, { ...last, seq: 7, id: '7', prevHash: last.hash }]);
  }
  /** Removes the events and seals from a place on. */
  async function cut(seq: number): Promise<void> {
    const links = await log.links();
    await log.forge(links.filter((link) => link.seq < seq));
    await log.tamper(`delete from audit_event where id >= ${links[seq - 1]?.id}`);
  }
  const rewrite = (seq: number): Promise<void> =>
    log.tamper(`update audit_event set actor_name = 'eve' where id = ${seq}`);
  const headAt = (seq: number, keyedFrom: string): string =>
    `update audit_head set seq = ${seq}, keyed_from = ${keyedFrom},
     hash = (select hashes[1] from audit_seal where first_seq = ${seq})`;

  const attacks: [string, () => Promise<void>][] = [
    ['rewrites the newest row', () => rewrite(6).then(() => resealPlain(6))],
    ['rewrites the newest row under the name of the key', () => rewrite(6).then(() => resealPlain(6, 'old'))],
    ['rewrites the newest row under the name of another key', () => rewrite(6).then(() => resealPlain(6, 'mine'))],
    ['deletes the newest rows', () => cut(5)],
    ['deletes the newest events but not their seals', () => log.tamper('delete from audit_event where id > 4')],
    ['deletes all rows', () => log.tamper('delete from audit_event', 'delete from audit_seal')],
    ['deletes all seals', () => log.tamper('delete from audit_seal')],
    ['inserts a newest row', () => insert().then(() => resealPlain(7))],
    ['inserts a newest row under the name of the key', () => insert().then(() => resealPlain(7, 'old'))],
    ['deletes the newest rows and moves the head back', () => cut(5).then(() => log.tamper(headAt(4, 'keyed_from')))],
    [
      'makes all rows old ones and says that keys begin after them',
      () =>
        rewrite(6)
          .then(() => resealPlain(1))
          .then(() => log.tamper(headAt(6, '7'))),
    ],
    [
      'makes all rows old ones and deletes the record of the newest',
      () =>
        rewrite(6)
          .then(() => resealPlain(1))
          .then(() => log.tamper('delete from audit_head')),
    ],
    ['deletes the record of the newest row', () => log.tamper('delete from audit_head')],
  ];
  it.each(attacks)('%s: verification detects it, at once and after the program has sealed more', async (_, attack) => {
    await log.seal(6);
    await attack();
    expect((await log.verify()).faults).not.toEqual([]);
    await log.restart(old);
    await log.record(2);
    expect(await log.sealer.seal()).toBeGreaterThanOrEqual(2);
    expect((await log.verify()).faults).not.toEqual([]);
    await log.seal(1);
    expect((await log.verify()).faults).not.toEqual([]);
  });

  it('seals rows without a key: verification names each of them', async () => {
    await log.seal(6);
    await rewrite(3);
    await resealPlain(3);
    expect((await log.verify()).faults).toEqual([3, 4, 5, 6].map((seq) => ({ kind: 'changed', seq, id: String(seq) })));
  });

  it('restores an older head: a running program detects it', async () => {
    await log.seal(4);
    const [{ mac }] = await log.test.source.query('select mac from audit_head');
    await log.seal(2);
    await cut(5);
    await log.tamper(headAt(4, 'keyed_from'));
    await log.test.source.query('update audit_head set mac = $1', [mac]);
    await log.seal(1);
    expect((await log.verify()).faults).toMatchObject([
      { kind: 'removed', seq: 5 },
      { kind: 'removed', seq: 6 },
    ]);
  });

  it('deletes every trace of keys: no process starts', async () => {
    await log.seal(1);
    await log.tamper('delete from key_ring_check');
    await log.record(1);
    await expect(log.sealer.seal()).resolves.toBe(1);
    await expect(log.restart(old)).rejects.toThrow('somebody deleted the check values');
  });

  it('finds rows from before the keys verified without one, up to where the keys begin', async () => {
    await log.record(4);
    const nothing = { prevHash: Buffer.alloc(32), hash: Buffer.alloc(32), keyId: null };
    await log.forge([1, 2, 3, 4].map((seq) => ({ ...nothing, seq, id: String(seq) })));
    await resealPlain(1);
    // This version starts: from here on the old rows cannot be rewritten either.
    expect(await log.sealer.seal()).toBe(0);
    expect(await log.verify()).toMatchObject({ rows: 4, keyed: 0, faults: [], head: { seq: 4 } });
    await log.seal(2);
    expect(await log.verify()).toMatchObject({ rows: 6, keyed: 2, faults: [] });
    for (const seq of [2, 4]) {
      const was = (await log.events())[seq - 1]?.actorName;
      await rewrite(seq);
      expect((await log.verify()).faults).toMatchObject([{ kind: 'changed', seq }]);
      await log.tamper(`update audit_event set actor_name = '${was}' where id = ${seq}`);
    }
    await rewrite(4);
    await resealPlain(4, null);
    expect((await log.verify()).faults).not.toEqual([]);
  });

  const insertEvent = (id: bigint | number): string =>
    `insert into audit_event (id, action, target_type, target_id, actor_name, address, request_id)
     values (${id}, 'a.b', 'a', '1', 'eve', '', '')`;
  /** A seal with one event that the program has not made. */
  const insertSeal = (firstSeq: bigint | number, topId: bigint): string =>
    `insert into audit_seal (first_seq, event_ids, prev_hashes, hashes, key_id, top_id, id_range)
     values (${firstSeq}, array[5::bigint], array[sha256('a')], array[sha256('b')], 'old', ${topId}, '[5,5]')`;
  const unsealed = async (): Promise<string[]> =>
    (await log.events()).filter(({ seq }) => seq === null).map(({ id }) => id);

  it('inserts a gap over sealed events: none is sealed again, and new ones do not wait', async () => {
    await log.seal(600);
    await log.tamper('insert into audit_gap values (1, 1000000), (126, 126), (601, 601)');
    await log.record(300);
    expect(await log.sealer.seal()).toBe(300);
    expect(await log.verify()).toMatchObject({ rows: 900, faults: [] });
    expect(await log.sealer.seal()).toBe(0);
    expect(await log.test.source.query('select * from audit_gap')).toEqual([]);
    await log.seal(2);
    expect(await log.verify()).toMatchObject({ rows: 902, faults: [] });
  });

  it('fills a gap with many events: each batch has places for new ones', async () => {
    await log.tamper(`select setval('audit_event_id_seq', 1000)`);
    await log.seal(1);
    for (let id = 1; id <= 400; id += 1) await log.tamper(insertEvent(id));
    await log.record(5);
    expect(await log.sealer.seal()).toBe(405);
    const seqs = (await log.events()).slice(-5).map(({ seq }) => Number(seq));
    expect(Math.max(...seqs)).toBeLessThanOrEqual(251);
    expect((await log.verify()).faults).toEqual([]);
  });

  it('seals an event twice: verification names the second place', async () => {
    await log.seal(6);
    const [{ canonical }] = await log.test.source.query(
      `select ${canonicalRow} as canonical from audit_event where id = 2`,
    );
    const prevHash = (await log.links()).at(-1)?.hash as Buffer;
    const hash = keyedHash(log.keys.rowKey(), prevHash, canonical);
    await log.forge([...(await log.links()), { seq: 7, id: '2', prevHash, hash, keyId: 'old' }]);
    await log.test.db.write((tx) => writeHead(tx, log.keys, { seq: 7, hash, keyedFrom: 1 }));
    expect((await log.verify()).faults).toEqual([{ kind: 'repeated', seq: 7, id: '2' }]);
  });

  it.each([
    ['the next place', 7, 7],
    ['a later place', 2n ** 62n, 2 ** 62],
    ['the last place of all', 2n ** 63n - 1n, 2 ** 63],
  ])('inserts a seal of a high id at %s: sealing goes on, says so, and verification names it', async (_, at, seq) => {
    await log.seal(6);
    const said = vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    await log.tamper(insertSeal(at, 2n ** 62n));
    expect(await log.sealer.seal()).toBe(0);
    expect(await log.sealer.seal()).toBe(0);
    expect(said.mock.calls).toEqual([[expect.stringContaining('changed outside the program')]]);
    for (const count of [3, 2]) {
      await log.record(count);
      expect(await log.sealer.seal()).toBe(count);
      expect(await unsealed()).toEqual([]);
      expect((await log.verify()).faults.map((fault) => fault.seq)).toContain(seq);
    }
    await log.restart(old);
    await log.record(1);
    expect(await log.sealer.seal()).toBe(1);
    expect(await unsealed()).toEqual([]);
  });

  it('inserts an event with a high id: the events of later weeks are sealed', async () => {
    await log.seal(2);
    await log.tamper(insertEvent(2n ** 62n));
    await log.seal(2);
    const late = log.test.source.createQueryRunner();
    await late.startTransaction();
    await log.audit.record(late.manager as never, ada, { action: 'a.late', targetType: 'a', targetId: 1 });
    for (let week = 1; week <= 3; week += 1) {
      await log.tamper(`update audit_gap set since = since - interval '8 days' where last_id > 1000`);
      await log.record(300);
      expect(await log.sealer.seal()).toBe(300);
    }
    await late.commitTransaction();
    await late.release();
    expect(await log.sealer.seal()).toBe(1);
    expect(await unsealed()).toEqual([]);
    expect((await log.verify()).faults).toEqual([]);
  });
});
