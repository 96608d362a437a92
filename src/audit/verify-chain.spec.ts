import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ChainLink, TestAuditLog } from '../../test/support/audit-log.js';
import type { ChainAnchor } from './verify-chain.js';

let log: TestAuditLog;

beforeEach(async () => {
  log = await TestAuditLog.create();
});
afterEach(() => log.drop());

describe('verifyChain', () => {
  beforeEach(async () => {
    await log.seal(6);
  });

  it.each(['action', 'target_id', 'actor_name', 'address', 'request_id', 'target_type'])(
    'finds a changed %s',
    async (column) => {
      await log.tamper(`update audit_event set ${column} = 'forged' where id = 3`);
      expect((await log.verify()).faults).toEqual([{ kind: 'changed', seq: 3, id: '3' }]);
    },
  );

  it.each([
    `at = at + interval '1 millisecond'`,
    `at = 'infinity'`,
    'actor_user_id = 8',
    `before = '{}'`,
    `after = '{"i": 3.0}'`,
    'after = null',
  ])('finds a change to %s', async (change) => {
    await log.tamper(`update audit_event set ${change} where id = 3`);
    expect((await log.verify()).faults).toMatchObject([{ kind: 'changed', seq: 3 }]);
  });

  it('finds a removed event', async () => {
    await log.tamper('delete from audit_event where id = 3');
    expect((await log.verify()).faults).toEqual([{ kind: 'removed', seq: 3, id: null }]);
  });

  it('finds an event that was removed with its seal, which leaves a gap', async () => {
    await log.tamper('delete from audit_event where id = 3');
    await log.forge((await log.links()).filter(({ seq }) => seq !== 3));
    expect((await log.verify()).faults).toEqual([{ kind: 'removed', seq: 3, id: null }]);
  });

  it('finds an event that was removed with its seal when the others were renumbered', async () => {
    await log.tamper('delete from audit_event where id = 3');
    const left = (await log.links()).filter(({ seq }) => seq !== 3);
    await log.forge(left.map((link, i) => ({ ...link, seq: i + 1 })));
    expect((await log.verify()).faults).toEqual([{ kind: 'removed', seq: 3, id: '4' }]);
  });

  it('finds an event that was given another id', async () => {
    await log.tamper('update audit_event set id = 99 where id = 3');
    expect((await log.verify()).faults).toEqual([{ kind: 'removed', seq: 3, id: null }]);
    await log.sealer.seal();
    expect((await log.verify()).faults).toEqual([{ kind: 'removed', seq: 3, id: null }]);
  });

  const insertEvent = (id: number): string =>
    `insert into audit_event (id, action, target_type, target_id, actor_name, address, request_id)
     values (${id}, 'a.b', 'a', '1', 'eve', '', '')`;

  it.each(['the hash before it', 'another hash'])('finds an inserted row that follows %s', async (follows) => {
    await log.tamper(insertEvent(50));
    const links = await log.links();
    const [prevHash, hash] = [follows === 'another hash' ? randomBytes(32) : links[2]?.hash, randomBytes(32)];
    const eve = { seq: 4, id: '50', prevHash: prevHash as Buffer, hash, keyId: 'old' };
    await log.forge([...links.slice(0, 3), eve, ...links.slice(3).map((link) => ({ ...link, seq: link.seq + 1 }))]);
    expect((await log.verify()).faults).toEqual([{ kind: 'inserted', seq: 4, id: '50' }]);
  });

  it('finds an event that was inserted below sealed ones and is in no seal', async () => {
    await log.tamper('delete from audit_event where id = 3', insertEvent(0), insertEvent(-7));
    expect(await log.sealer.seal()).toBe(0);
    expect((await log.verify()).faults).toEqual([
      { kind: 'removed', seq: 3, id: null },
      { kind: 'inserted', seq: 0, id: '-7' },
      { kind: 'inserted', seq: 0, id: '0' },
    ]);
  });

  it('finds a seal that stands for the same place as another', async () => {
    await log.seal(1);
    await log.tamper(
      `insert into audit_seal (first_seq, event_ids, prev_hashes, hashes, key_id, top_id, id_range)
       select 2, event_ids[2:2], prev_hashes[2:2], hashes[2:2], key_id, top_id, id_range from audit_seal
       where first_seq = 1`,
    );
    expect((await log.verify()).faults).toEqual([{ kind: 'inserted', seq: 2, id: '2' }]);
  });

  it('finds a seal that claims to have other ids, so that later events would not be sealed', async () => {
    await log.tamper('update audit_seal set top_id = 99');
    expect((await log.verify()).faults).toEqual([{ kind: 'changed', seq: 1, id: null }]);
    await log.seal(1);
    expect((await log.verify()).faults).toEqual([
      { kind: 'changed', seq: 1, id: null },
      { kind: 'inserted', seq: 0, id: '7' },
    ]);
  });

  it('finds reordered rows', async () => {
    const links = await log.links();
    const [third, fourth] = links.slice(2, 4) as [ChainLink, ChainLink];
    await log.forge([...links.slice(0, 2), { ...fourth, seq: 3 }, { ...third, seq: 4 }, ...links.slice(4)]);
    expect((await log.verify()).faults).toEqual([
      { kind: 'reordered', seq: 3, id: '4' },
      { kind: 'reordered', seq: 4, id: '3' },
      { kind: 'reordered', seq: 5, id: '5' },
    ]);
  });

  it('finds a row that was rewritten with a matching hash', async () => {
    await log.forge((await log.links()).map((link) => (link.seq === 3 ? { ...link, hash: randomBytes(32) } : link)));
    expect((await log.verify()).faults).toEqual([
      { kind: 'changed', seq: 3, id: '3' },
      { kind: 'removed', seq: 4, id: '4' },
    ]);
  });

  it('finds an anchor that is not part of the log', async () => {
    const { head } = await log.verify();
    expect(await log.verify(head as ChainAnchor, { seq: 4, hashHex: 'ab'.repeat(32) })).toMatchObject({
      faults: [{ kind: 'removed', seq: 4, id: null }],
      anchors: 2,
    });
    expect(await log.verify(head as ChainAnchor)).toMatchObject({ faults: [], anchors: 1 });
    expect((await log.verify({ seq: 7, hashHex: 'ab'.repeat(32) })).faults).toEqual([
      { kind: 'removed', seq: 7, id: null },
    ]);
  });

  it('reports events that stay unsealed too long', async () => {
    await log.test.source
      .query(`insert into audit_event (at, action, target_type, target_id, actor_name, address, request_id)
      values (now() - interval '2 minutes', 'a.b', 'a', '1', 'x', '', ''), (now(), 'a.b', 'a', '1', 'x', '', '')`);
    expect(await log.verify()).toMatchObject({ overdue: 1, faults: [] });
  });
});
