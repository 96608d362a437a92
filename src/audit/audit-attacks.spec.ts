import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ChainLink, old, TestAuditLog } from '../../test/support/audit-log.js';
import { canonicalRow, plainHash } from './chain.js';

let log: TestAuditLog;

beforeEach(async () => {
  log = await TestAuditLog.create();
});
afterEach(() => log.drop());

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
});
