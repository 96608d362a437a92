import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import { systemActor } from '../platform/http/actor.js';
import { KeyRingCheck } from '../platform/secrets/key-ring-check.entity.js';
import { KeyRing } from '../platform/secrets/key-ring.js';
import { openKeyRing, retireKeys } from '../platform/secrets/open-key-ring.js';
import { AuditEvent } from './audit-event.entity.js';
import { writeHead } from './audit-head.js';
import { Audit } from './audit.js';
import { canonicalRow, plainHash } from './chain.js';
import { AuditKeys } from './audit-keys.js';
import { AuditSealer } from './audit-sealer.js';
import { verifyChain, type ChainAnchor, type ChainReport } from './verify-chain.js';

const ada = { userId: 7, username: 'ada', address: '192.0.2.1', requestId: 'req-1' };

let test: TestDatabase;
const audit = new Audit();
const old = { id: 'old', key: randomBytes(32) };
const fresh = { id: 'fresh', key: randomBytes(32) };
let keys: AuditKeys;
let sealer: AuditSealer;

beforeEach(async () => {
  test = await createTestDatabase([AuditEvent, KeyRingCheck]);
  await restart(old);
});
afterEach(() => test.drop());

const events = () => test.source.manager.find(AuditEvent, { order: { id: 'asc' } });
const verify = (...anchors: ChainAnchor[]): Promise<ChainReport> =>
  test.db.read((tx) => verifyChain(tx, keys, anchors));

/** A process that starts with these keys. */
async function restart(...encryptionKeys: (typeof old)[]): Promise<KeyRing> {
  const ring = await openKeyRing({ encryptionKeys, dataDir: '/nowhere' }, test.db);
  keys = new AuditKeys(ring);
  sealer = new AuditSealer(test.db, keys);
  return ring;
}

async function record(count: number): Promise<void> {
  for (let i = 1; i <= count; i++) {
    await test.db.write((tx) =>
      audit.record(tx, ada, { action: 'thing.changed', targetType: 'thing', targetId: i, after: { i } }),
    );
  }
}

/** Runs statements as a database administrator would who switches the trigger off. */
async function tamper(...statements: string[]): Promise<void> {
  await test.db.write(async (tx) => {
    await tx.query('set local session_replication_role = replica');
    for (const statement of statements) await tx.query(statement);
  });
}

describe('Audit', () => {
  it('writes who did what to what', async () => {
    await test.db.write((tx) =>
      audit.record(tx, ada, {
        action: 'role.renamed',
        targetType: 'role',
        targetId: 3,
        before: { name: 'a' },
        after: { name: 'b' },
      }),
    );
    expect(await events()).toMatchObject([
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
        prevHash: null,
        hash: null,
      },
    ]);
  });

  it('has no user id for the program itself', async () => {
    await test.db.write((tx) =>
      audit.record(tx, systemActor('job-1'), { action: 'a.b', targetType: 'a', targetId: 1 }),
    );
    expect(await events()).toMatchObject([{ actorUserId: null, actorName: 'system', before: null }]);
  });

  it('is taken back with the transaction of the change', async () => {
    await expect(
      test.db.write(async (tx) => {
        await audit.record(tx, ada, { action: 'a.b', targetType: 'a', targetId: 1 });
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(await events()).toEqual([]);
  });

  it('puts a mark in the place of private keys in what the program itself records', async () => {
    const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      .privateKey.export({ type: 'sec1', format: 'pem' })
      .toString();
    const after = {
      detail: `The CA says: ${pem}Try again.`,
      list: ['a PRIVATE KEY is missing', `cut PRIVATE KEY-----\nMHcCAQEEIA`],
      n: 1,
      none: null,
    };
    await test.db.write((tx) =>
      audit.recordMany(tx, [
        { actor: systemActor('job-1'), act: { action: 'a.b', targetType: 'a', targetId: 1, after } },
        { actor: ada, act: { action: 'a.c', targetType: 'a', targetId: 1, after: { a: 1 } } },
      ]),
    );
    expect(await events()).toMatchObject([
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

  it('refuses private keys', async () => {
    const after = { pem: '-----BEGIN EC PRIVATE KEY-----\n' };
    await expect(
      test.db.write((tx) => audit.record(tx, ada, { action: 'a.b', targetType: 'a', targetId: 1, after })),
    ).rejects.toThrow('private key');
    // What only speaks of one is none, and what is there already must not keep people from changing it.
    const before = { pem: '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA' };
    await test.db.write((tx) =>
      audit.record(tx, ada, {
        action: 'a.b',
        targetType: 'a',
        targetId: 1,
        before,
        after: { text: 'the PRIVATE KEY' },
      }),
    );
    expect(await events()).toMatchObject([{ before: { pem: '[private key]' }, after: { text: 'the PRIVATE KEY' } }]);
  });
});

describe('the audit table', () => {
  it.each([
    `update audit_event set actor_name = 'eve'`,
    `update audit_event set after = '{"i": 1.0}', seq = 9, prev_hash = hash, hash = hash`,
    'delete from audit_event',
    'truncate audit_event',
  ])('refuses: %s', async (statement) => {
    await record(1);
    await expect(test.source.query(statement)).rejects.toThrow('append-only');
    await sealer.seal();
    await expect(test.source.query(statement)).rejects.toThrow('append-only');
    await expect(test.source.query('update audit_event set seq = null, prev_hash = null, hash = null')).rejects.toThrow(
      'append-only',
    );
  });

  it('refuses half a seal', async () => {
    await record(1);
    await expect(test.source.query('update audit_event set seq = 1')).rejects.toThrow('audit_event_sealed');
  });
});

describe('AuditSealer', () => {
  it('seals every event once, gapless, in batches', async () => {
    await test.source.query(`insert into audit_event (action, target_type, target_id, actor_name, address, request_id)
      select 'a.b', 'a', n, 'x', '', '' from generate_series(1, 2500) n`);
    expect(await sealer.seal()).toBe(2500);
    expect(await sealer.seal()).toBe(0);
    expect(
      await test.source.query('select min(seq)::int as min, max(seq)::int as max, count(*)::int from audit_event'),
    ).toEqual([{ min: 1, max: 2500, count: 2500 }]);
    expect(await verify()).toMatchObject({ rows: 2500, faults: [], overdue: 0, head: { seq: 2500 } });
  });

  it('seals what commits late with a lower id, without waiting for it', async () => {
    const late = test.source.createQueryRunner();
    await late.startTransaction();
    await audit.record(late.manager as never, ada, { action: 'a.late', targetType: 'a', targetId: 1 });
    await record(2);
    expect(await sealer.seal()).toBe(2);
    await late.commitTransaction();
    await late.release();
    expect(await sealer.seal()).toBe(1);
    await record(1);
    expect(await sealer.seal()).toBe(1);
    expect((await events()).map(({ action, seq }) => [action, seq])).toEqual([
      ['a.late', '3'],
      ['thing.changed', '1'],
      ['thing.changed', '2'],
      ['thing.changed', '4'],
    ]);
    expect((await verify()).faults).toEqual([]);
  });

  it('lets several instances seal at once', async () => {
    await record(30);
    const counts = await Promise.all(Array.from({ length: 6 }, () => sealer.seal()));
    expect(counts.reduce((a, b) => a + b)).toBe(30);
    expect(await verify()).toMatchObject({ rows: 30, faults: [] });
  });

  it('makes hashes that openssl reproduces', async () => {
    await record(1);
    await sealer.seal();
    const [event] = await events();
    const canonical =
      `{"at": "${event?.at.toISOString().replace(/\.?0*Z$/, '')}", "id": 1, "after": ` +
      '{"i": 1}, "action": "thing.changed", ' +
      '"before": null, "address": "192.0.2.1", "targetId": "1", "actorName": "ada", ' +
      '"requestId": "req-1", "targetType": "thing", "actorUserId": 7}';
    const input = Buffer.concat([Buffer.alloc(32), Buffer.from(canonical)]);
    const openssl = (args: string[], stdin?: Buffer): string =>
      execFileSync('openssl', args, { input: stdin, encoding: 'utf8' }).trim();
    const ofRing = ['-kdfopt', 'digest:SHA256', '-kdfopt', `hexkey:${old.key.toString('hex')}`];
    const key = openssl(['kdf', '-keylen', '32', ...ofRing, '-kdfopt', 'info:perennial audit row', 'HKDF']);
    const mac = ['dgst', '-sha256', '-mac', 'HMAC', '-macopt', `hexkey:${key.replaceAll(':', '')}`];
    expect(openssl(mac, input).split(' ').at(-1)).toBe(event?.hash?.toString('hex'));
  });
});

describe('verifyChain', () => {
  beforeEach(async () => {
    await record(6);
    await sealer.seal();
  });

  it.each(['action', 'target_id', 'actor_name', 'address', 'request_id', 'target_type'])(
    'finds a changed %s',
    async (column) => {
      await tamper(`update audit_event set ${column} = 'forged' where seq = 3`);
      expect((await verify()).faults).toEqual([{ kind: 'changed', seq: 3, id: '3' }]);
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
    await tamper(`update audit_event set ${change} where seq = 3`);
    expect((await verify()).faults).toMatchObject([{ kind: 'changed', seq: 3 }]);
  });

  it('finds a removed row', async () => {
    await tamper('delete from audit_event where seq = 3');
    expect((await verify()).faults).toEqual([{ kind: 'removed', seq: 3, id: null }]);
  });

  it('finds a removed row when the others were renumbered', async () => {
    await tamper(
      'delete from audit_event where seq = 3',
      ...[4, 5, 6].map((n) => `update audit_event set seq = ${n - 1} where seq = ${n}`),
    );
    expect((await verify()).faults).toEqual([{ kind: 'removed', seq: 3, id: '4' }]);
  });

  const shift = [6, 5, 4].map((n) => `update audit_event set seq = ${n + 1} where seq = ${n}`);
  const insertAt4 = (prevHash: string): string =>
    `insert into audit_event (id, action, target_type, target_id, actor_name, address, request_id, seq, prev_hash, hash)
     values (50, 'a.b', 'a', '1', 'eve', '', '', 4, ${prevHash}, sha256('x'))`;

  it.each([`(select hash from audit_event where seq = 3)`, `sha256('y')`])(
    'finds an inserted row with prev_hash %s',
    async (prevHash) => {
      await tamper(...shift, insertAt4(prevHash));
      const { faults } = await verify();
      expect(faults).toEqual([{ kind: 'inserted', seq: 4, id: '50' }]);
    },
  );

  it('finds reordered rows', async () => {
    await tamper(
      'update audit_event set seq = 99 where seq = 3',
      'update audit_event set seq = 3 where seq = 4',
      'update audit_event set seq = 4 where seq = 99',
    );
    expect((await verify()).faults).toEqual([
      { kind: 'reordered', seq: 3, id: '4' },
      { kind: 'reordered', seq: 4, id: '3' },
      { kind: 'reordered', seq: 5, id: '5' },
    ]);
  });

  it('finds a row that was rewritten with a fitting hash', async () => {
    await tamper(`update audit_event set hash = sha256('z') where seq = 3`);
    expect((await verify()).faults).toEqual([
      { kind: 'changed', seq: 3, id: '3' },
      { kind: 'removed', seq: 4, id: '4' },
    ]);
  });

  it('finds an anchor that is not part of the log', async () => {
    const { head } = await verify();
    expect(await verify(head as ChainAnchor, { seq: 4, hashHex: 'ab'.repeat(32) })).toMatchObject({
      faults: [{ kind: 'removed', seq: 4, id: null }],
      anchors: 2,
    });
    expect(await verify(head as ChainAnchor)).toMatchObject({ faults: [], anchors: 1 });
    expect((await verify({ seq: 7, hashHex: 'ab'.repeat(32) })).faults).toEqual([
      { kind: 'removed', seq: 7, id: null },
    ]);
  });

  it('reports events that wait too long for their seal', async () => {
    await test.source
      .query(`insert into audit_event (at, action, target_type, target_id, actor_name, address, request_id)
      values (now() - interval '2 minutes', 'a.b', 'a', '1', 'x', '', ''), (now(), 'a.b', 'a', '1', 'x', '', '')`);
    expect(await verify()).toMatchObject({ overdue: 1, faults: [] });
  });
});

describe('an owner of the database without the key ring', () => {
  interface Forged {
    seq: number;
    prevHash: Buffer;
    canonical: string;
  }
  /** Makes the rows from `from` on fit one another again as versions without keys sealed them. */
  async function resealPlain(from: number, keyId: string | null = null): Promise<void> {
    await test.db.write(async (tx) => {
      await tx.query('set local session_replication_role = replica');
      const rows = await tx.query<Forged[]>(
        `select seq::int, prev_hash as "prevHash", ${canonicalRow} as canonical from audit_event where seq >= $1 order by seq`,
        [from],
      );
      let hash = rows[0]?.prevHash as Buffer;
      for (const { seq, canonical } of rows) {
        const next = plainHash(hash, canonical);
        await tx.query('update audit_event set prev_hash = $1, hash = $2, key_id = $3 where seq = $4', [
          ...[hash, next, keyId, seq],
        ]);
        hash = next;
      }
    });
  }
  const inserted = `insert into audit_event (id, action, target_type, target_id, actor_name, address, request_id, seq,
    prev_hash, hash) select 99, 'a.b', 'a', '1', 'eve', '', '', seq + 1, hash, hash from audit_event where seq = 6`;
  const rewrite = (seq: number): Promise<void> =>
    tamper(`update audit_event set actor_name = 'eve' where seq = ${seq}`);
  const headAt = (seq: number, keyedFrom: string): string =>
    `update audit_head set seq = ${seq}, keyed_from = ${keyedFrom}, hash = (select hash from audit_event where seq = ${seq})`;

  const attacks: [string, () => Promise<void>][] = [
    ['rewrites the newest row', () => rewrite(6).then(() => resealPlain(6))],
    ['rewrites the newest row under the name of the key', () => rewrite(6).then(() => resealPlain(6, 'old'))],
    ['rewrites the newest row under the name of another key', () => rewrite(6).then(() => resealPlain(6, 'mine'))],
    ['deletes the newest rows', () => tamper('delete from audit_event where seq > 4')],
    ['deletes all rows', () => tamper('delete from audit_event')],
    ['inserts a newest row', () => tamper(inserted).then(() => resealPlain(7))],
    ['inserts a newest row under the name of the key', () => tamper(inserted).then(() => resealPlain(7, 'old'))],
    [
      'cuts the newest rows off and says that the one before is the newest',
      () => tamper('delete from audit_event where seq > 4', headAt(4, 'keyed_from')),
    ],
    [
      'makes all rows old ones and says that keys begin after them',
      () =>
        rewrite(6)
          .then(() => resealPlain(1))
          .then(() => tamper(headAt(6, '7'))),
    ],
    [
      'makes all rows old ones and deletes the record of the newest',
      () =>
        rewrite(6)
          .then(() => resealPlain(1))
          .then(() => tamper('delete from audit_head')),
    ],
    ['deletes the record of the newest row', () => tamper('delete from audit_head')],
  ];
  it.each(attacks)('%s: that is found, then and after the program has gone on', async (_, attack) => {
    await record(6);
    await sealer.seal();
    await attack();
    expect((await verify()).faults).not.toEqual([]);
    await restart(old);
    await record(2);
    expect(await sealer.seal()).toBe(2);
    expect((await verify()).faults).not.toEqual([]);
    await record(1);
    await sealer.seal();
    expect((await verify()).faults).not.toEqual([]);
  });

  it('puts an older record of the newest row back: a running program finds that', async () => {
    await record(4);
    await sealer.seal();
    const [{ mac }] = await test.source.query('select mac from audit_head');
    await record(2);
    await sealer.seal();
    await tamper('delete from audit_event where seq > 4', headAt(4, 'keyed_from'));
    await test.source.query('update audit_head set mac = $1', [mac]);
    await record(1);
    await sealer.seal();
    expect((await verify()).faults).toMatchObject([
      { kind: 'removed', seq: 5 },
      { kind: 'removed', seq: 6 },
    ]);
  });

  it('deletes what says that there are keys: no process starts', async () => {
    await record(1);
    await sealer.seal();
    await tamper('delete from key_ring_check');
    await record(1);
    await expect(sealer.seal()).resolves.toBe(1);
    await expect(restart(old)).rejects.toThrow('somebody deleted the check values');
  });

  it('finds rows from before the keys verified without one, up to where the keys begin', async () => {
    await record(4);
    await tamper(
      `update audit_event set seq = id, prev_hash = '\\x${'00'.repeat(32)}', hash = '\\x${'00'.repeat(32)}'`,
    );
    await resealPlain(1);
    // The program of this version starts: from here on the old rows can no longer be rewritten either.
    expect(await sealer.seal()).toBe(0);
    expect(await verify()).toMatchObject({ rows: 4, keyed: 0, faults: [], head: { seq: 4 } });
    await record(2);
    await sealer.seal();
    expect(await verify()).toMatchObject({ rows: 6, keyed: 2, faults: [] });
    for (const seq of [2, 4]) {
      const was = (await events())[seq - 1]?.actorName;
      await rewrite(seq);
      expect((await verify()).faults).toMatchObject([{ kind: 'changed', seq }]);
      await tamper(`update audit_event set actor_name = '${was}' where seq = ${seq}`);
    }
    await rewrite(4);
    await resealPlain(4, null);
    expect((await verify()).faults).not.toEqual([]);
  });

  it('refuses a seal without a key, as an older version would make it', async () => {
    await record(1);
    await expect(
      test.source.query(`update audit_event set seq = 1, prev_hash = sha256('a'), hash = sha256('b')`),
    ).rejects.toThrow('append-only');
  });
});

describe('a change of the sealing key', () => {
  it('leaves the rows of a key that is gone verifiable, and helps nobody who has that key', async () => {
    await record(3);
    await sealer.seal();
    const ring = await restart(fresh, old);
    await record(2);
    await sealer.seal();
    expect(await verify()).toMatchObject({ rows: 5, keyed: 5, faults: [] });
    await test.db.write(async (tx) => {
      await sealer.handOver(tx);
      expect(await retireKeys(tx, ring)).toEqual(['old']);
    });
    await restart(fresh);
    expect(await verify()).toMatchObject({ rows: 5, keyed: 5, faults: [] });
    expect((await events()).map(({ keyId }) => keyId)).toEqual(['old', 'old', 'old', 'fresh', 'fresh']);
    await record(1);
    await sealer.seal();
    expect((await verify()).faults).toEqual([]);
    // With the old key a record of the newest row can be made that fits, but not one that counts.
    const others = new AuditKeys(new KeyRing([old]));
    await tamper('delete from audit_event where seq > 3');
    const [, , third] = await events();
    await test.db.write((tx) => writeHead(tx, others, { seq: 3, hash: third?.hash as Buffer, keyedFrom: 1 }));
    expect((await verify()).faults).toMatchObject([{ kind: 'head', seq: 3 }]);
  });

  it('changes the record of the newest row also when nothing new is sealed', async () => {
    await record(1);
    await sealer.seal();
    const ring = await restart(fresh, old);
    await test.db.write(async (tx) => {
      await sealer.handOver(tx);
      await retireKeys(tx, ring);
    });
    await restart(fresh);
    expect((await verify()).faults).toEqual([]);
    await record(1);
    await sealer.seal();
    expect(await verify()).toMatchObject({ rows: 2, faults: [] });
  });
});
