import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ada, fresh, old, TestAuditLog } from '../../test/support/audit-log.js';
import { execFileSync } from '../../test/support/sync-programs.js';
import { KeyRing } from '../platform/secrets/key-ring.js';
import { retireKeys } from '../platform/secrets/open-key-ring.js';
import { writeHead } from './audit-head.js';
import { AuditKeys } from './audit-keys.js';

let log: TestAuditLog;

beforeEach(async () => {
  log = await TestAuditLog.create();
});
afterEach(() => log.drop());

describe('AuditSealer', () => {
  it('seals every event once, gapless, in batches', async () => {
    await log.test.source
      .query(`insert into audit_event (action, target_type, target_id, actor_name, address, request_id)
      select 'a.b', 'a', n, 'x', '', '' from generate_series(1, 2500) n`);
    expect(await log.sealer.seal()).toBe(2500);
    expect(await log.sealer.seal()).toBe(0);
    expect((await log.links()).map(({ seq, id }) => [seq, id])).toEqual(
      Array.from({ length: 2500 }, (_, i) => [i + 1, String(i + 1)]),
    );
    expect(await log.verify()).toMatchObject({ rows: 2500, faults: [], overdue: 0, head: { seq: 2500 } });
  });

  it('seals an event that commits late with a lower id, without waiting for it', async () => {
    const late = log.test.source.createQueryRunner();
    await late.startTransaction();
    await log.audit.record(late.manager as never, ada, { action: 'a.late', targetType: 'a', targetId: 1 });
    await log.record(2);
    expect(await log.sealer.seal()).toBe(2);
    await late.commitTransaction();
    await late.release();
    expect(await log.sealer.seal()).toBe(1);
    await log.record(1);
    expect(await log.sealer.seal()).toBe(1);
    expect((await log.events()).map(({ action, seq }) => [action, seq])).toEqual([
      ['a.late', '3'],
      ['thing.changed', '1'],
      ['thing.changed', '2'],
      ['thing.changed', '4'],
    ]);
    expect((await log.verify()).faults).toEqual([]);
  });

  it('seals each of many events that commit late, in any order, also between others', async () => {
    const open = [];
    for (let i = 0; i < 8; i += 1) {
      const late = log.test.source.createQueryRunner();
      await late.startTransaction();
      for (let each = 0; each < 1 + (i % 3); each += 1)
        await log.audit.record(late.manager as never, ada, { action: 'a.late', targetType: 'a', targetId: i });
      open.push(late);
      if (i % 2 === 0) await log.record(1);
    }
    expect(await log.sealer.seal()).toBe(4);
    let sealed = 4;
    for (const i of [4, 0, 7, 2, 6]) {
      await open[i]?.commitTransaction();
      sealed += await log.sealer.seal();
    }
    for (const i of [1, 3]) await open[i]?.rollbackTransaction();
    await open[5]?.commitTransaction();
    await log.record(1);
    sealed += await log.sealer.seal();
    for (const late of open) await late.release();
    expect((await log.events()).map(({ seq }) => seq)).not.toContain(null);
    expect(await log.verify()).toMatchObject({ rows: sealed, faults: [] });
    // What is left are the ids of the two that were rolled back.
    const gaps = 'select coalesce(sum(last_id - first_id + 1), 0)::int as missing from audit_gap';
    expect(await log.test.source.query(gaps)).toEqual([{ missing: 3 }]);
  });

  it('lets several instances seal at once', async () => {
    await log.record(30);
    const counts = await Promise.all(Array.from({ length: 6 }, () => log.sealer.seal()));
    expect(counts.reduce((a, b) => a + b)).toBe(30);
    expect(await log.verify()).toMatchObject({ rows: 30, faults: [] });
  });

  it('makes hashes that openssl reproduces', async () => {
    await log.seal(1);
    const [event] = await log.events();
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

describe('a change of the sealing key', () => {
  it('keeps rows of a removed key verifiable, and a thief of that key cannot forge new rows', async () => {
    await log.seal(3);
    const ring = await log.restart(fresh, old);
    await log.seal(2);
    expect(await log.verify()).toMatchObject({ rows: 5, keyed: 5, faults: [] });
    await log.test.db.write(async (tx) => {
      await log.sealer.handOver(tx);
      expect(await retireKeys(tx, ring)).toEqual(['old']);
    });
    await log.restart(fresh);
    expect(await log.verify()).toMatchObject({ rows: 5, keyed: 5, faults: [] });
    expect((await log.links()).map(({ keyId }) => keyId)).toEqual(['old', 'old', 'old', 'fresh', 'fresh']);
    await log.seal(1);
    expect((await log.verify()).faults).toEqual([]);
    // The old key can forge a head with a valid MAC, but it is no longer the sealing key.
    const others = new AuditKeys(new KeyRing([old]));
    const links = await log.links();
    const third = links[2];
    await log.forge(links.slice(0, 3));
    await log.tamper('delete from audit_event where id > 3');
    await log.test.db.write((tx) => writeHead(tx, others, { seq: 3, hash: third?.hash as Buffer, keyedFrom: 1 }));
    expect((await log.verify()).faults).toMatchObject([{ kind: 'head', seq: 3 }]);
  });

  it('renews the MAC of the head even when no event is unsealed', async () => {
    await log.seal(1);
    const ring = await log.restart(fresh, old);
    await log.test.db.write(async (tx) => {
      await log.sealer.handOver(tx);
      await retireKeys(tx, ring);
    });
    await log.restart(fresh);
    expect((await log.verify()).faults).toEqual([]);
    await log.seal(1);
    expect(await log.verify()).toMatchObject({ rows: 2, faults: [] });
  });
});
