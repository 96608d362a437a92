import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ada, TestAuditLog } from '../../test/support/audit-log.js';
import { systemActor } from '../platform/http/actor.js';

let log: TestAuditLog;

beforeEach(async () => {
  log = await TestAuditLog.create();
});
afterEach(() => log.drop());

describe('Audit', () => {
  it('writes who did what to what', async () => {
    await log.test.db.write((tx) =>
      log.audit.record(tx, ada, {
        action: 'role.renamed',
        targetType: 'role',
        targetId: 3,
        before: { name: 'a' },
        after: { name: 'b' },
      }),
    );
    expect(await log.events()).toMatchObject([
      {
        action: 'role.renamed',
        targetType: 'role',
        targetId: '3',
        actorUserId: 7,
        actorName: 'ada',
        address: '192.0.2.1',
        requestId: 'req-1',
        before: { name: 'a' },
        after: { name: 'b' },
        seq: null,
        hash: null,
      },
    ]);
  });

  it('records no user id when the program itself acts', async () => {
    await log.test.db.write((tx) =>
      log.audit.record(tx, systemActor('job-1'), { action: 'a.b', targetType: 'a', targetId: 1 }),
    );
    expect(await log.events()).toMatchObject([{ actorUserId: null, actorName: 'system', before: null }]);
  });

  it('rolls the event back with the transaction of the change', async () => {
    await expect(
      log.test.db.write(async (tx) => {
        await log.audit.record(tx, ada, { action: 'a.b', targetType: 'a', targetId: 1 });
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(await log.events()).toEqual([]);
  });

  it('replaces private keys by a mark when the program itself acts', async () => {
    const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      .privateKey.export({ type: 'sec1', format: 'pem' })
      .toString();
    const after = {
      detail: `The CA says: ${pem}Try again.`,
      list: ['a PRIVATE KEY is missing', `cut PRIVATE KEY-----\nMHcCAQEEIA`],
      n: 1,
      none: null,
    };
    await log.test.db.write((tx) =>
      log.audit.recordMany(tx, [
        { actor: systemActor('job-1'), act: { action: 'a.b', targetType: 'a', targetId: 1, after } },
        { actor: ada, act: { action: 'a.c', targetType: 'a', targetId: 1, after: { a: 1 } } },
      ]),
    );
    expect(await log.events()).toMatchObject([
      {
        after: {
          detail: 'The CA says: [private key]\nTry again.',
          list: ['a PRIVATE KEY is missing', 'cut [private key]'],
          n: 1,
          none: null,
        },
      },
      { action: 'a.c', after: { a: 1 } },
    ]);
  });

  it('refuses private keys from users', async () => {
    const after = { pem: '-----BEGIN EC PRIVATE KEY-----\n' };
    await expect(
      log.test.db.write((tx) => log.audit.record(tx, ada, { action: 'a.b', targetType: 'a', targetId: 1, after })),
    ).rejects.toThrow('private key');
    // Prose about private keys is accepted, and an existing key in `before` must not block a change.
    const before = { pem: '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA' };
    await log.test.db.write((tx) =>
      log.audit.record(tx, ada, {
        action: 'a.b',
        targetType: 'a',
        targetId: 1,
        before,
        after: { text: 'the PRIVATE KEY' },
      }),
    );
    expect(await log.events()).toMatchObject([
      { before: { pem: '[private key]' }, after: { text: 'the PRIVATE KEY' } },
    ]);
  });
});

describe('the audit table', () => {
  it.each([
    `update audit_event set actor_name = 'eve'`,
    `update audit_event set after = '{"i": 1.0}'`,
    'delete from audit_event',
    'truncate audit_event',
    'update audit_seal set hashes = prev_hashes',
    'delete from audit_seal',
    'truncate audit_seal',
  ])('refuses: %s', async (statement) => {
    await log.seal(1);
    await expect(log.test.source.query(statement)).rejects.toThrow('append-only');
    await log.record(1);
    await expect(log.test.source.query(statement)).rejects.toThrow('append-only');
  });

  it('refuses half a seal', async () => {
    await log.record(1);
    await expect(
      log.test.source.query(`insert into audit_seal (first_seq, event_ids, prev_hashes, hashes, top_id, id_range)
        values (1, array[1, 2], array[sha256('a')], array[sha256('b')], 2, '[1,2]')`),
    ).rejects.toThrow('audit_seal_whole');
  });
});
