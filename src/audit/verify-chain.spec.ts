import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestAuditLog } from '../../test/support/audit-log.js';
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
      await log.tamper(`update audit_event set ${column} = 'forged' where seq = 3`);
      expect((await log.verify()).faults).toEqual([{ kind: 'changed', seq: 3, id: '3' }]);
    },
  );

  it.each([
    `at = at + interval '1 millisecond'`,
    `at = 'infinity'`,
    'actor_user_id = 8',
    'id = 99',
    `before = '{}'`,
    `after = '{"i": 3.0}'`,
    'after = null',
  ])('finds a change to %s', async (change) => {
    await log.tamper(`update audit_event set ${change} where seq = 3`);
    expect((await log.verify()).faults).toMatchObject([{ kind: 'changed', seq: 3 }]);
  });

  it('finds a removed row', async () => {
    await log.tamper('delete from audit_event where seq = 3');
    expect((await log.verify()).faults).toEqual([{ kind: 'removed', seq: 3, id: null }]);
  });

  it('finds a removed row when the others were renumbered', async () => {
    await log.tamper(
      'delete from audit_event where seq = 3',
      ...[4, 5, 6].map((n) => `update audit_event set seq = ${n - 1} where seq = ${n}`),
    );
    expect((await log.verify()).faults).toEqual([{ kind: 'removed', seq: 3, id: '4' }]);
  });

  const shift = [6, 5, 4].map((n) => `update audit_event set seq = ${n + 1} where seq = ${n}`);
  const insertAt4 = (prevHash: string): string =>
    `insert into audit_event (id, action, target_type, target_id, actor_name, address, request_id, seq, prev_hash, hash)
     values (50, 'a.b', 'a', '1', 'eve', '', '', 4, ${prevHash}, sha256('x'))`;

  it.each([`(select hash from audit_event where seq = 3)`, `sha256('y')`])(
    'finds an inserted row with prev_hash %s',
    async (prevHash) => {
      await log.tamper(...shift, insertAt4(prevHash));
      const { faults } = await log.verify();
      expect(faults).toEqual([{ kind: 'inserted', seq: 4, id: '50' }]);
    },
  );

  it('finds reordered rows', async () => {
    await log.tamper(
      'update audit_event set seq = 99 where seq = 3',
      'update audit_event set seq = 3 where seq = 4',
      'update audit_event set seq = 4 where seq = 99',
    );
    expect((await log.verify()).faults).toEqual([
      { kind: 'reordered', seq: 3, id: '4' },
      { kind: 'reordered', seq: 4, id: '3' },
      { kind: 'reordered', seq: 5, id: '5' },
    ]);
  });

  it('finds a row that was rewritten with a matching hash', async () => {
    await log.tamper(`update audit_event set hash = sha256('z') where seq = 3`);
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
