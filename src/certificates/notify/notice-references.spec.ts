import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';

let test: TestDatabase;
let certificateId: number;
let subscriptionId: number;

const insert = `insert into notice (certificate_id, subscription_id, event, dedupe_key, data, state, created_at)
  select c, s, 'certificate.expiring', gen_random_uuid(), '{}', 'sent', now()
  from unnest($1::int[], $2::int[]) as n(c, s)`;

const added = async (sql: string, values?: unknown[]): Promise<number> =>
  (await test.source.query<[{ id: number }]>(sql, values))[0].id;

beforeAll(async () => {
  test = await createTestDatabase([]);
});
afterAll(() => test.drop());
beforeEach(async () => {
  await test.source.query('truncate notice, certificate, subscription, channel, rotation_policy cascade');
  const policyId = await added(`insert into rotation_policy (name, days) values ('p', 30) returning id`);
  certificateId = await added(
    `insert into certificate (state, name, owner, common_name, distinguished_name, secret_id, issuer, spki_sha256,
       key_type, bits, not_before, not_after, san_count, terms, rotation_policy_id, created_at)
     values ('failed', 'c', 'joe', '', '', gen_random_uuid(), '', 'ab', 'RSA2048', 2048, now(), now(), 0, '{}', $1, now())
     returning id`,
    [policyId],
  );
  const channelId = await added(
    `insert into channel (label, plugin_id, options, recipients, secret_id, origin)
     values ('ch', 'email', '{}', '{ops@example.com}', gen_random_uuid(), 'person') returning id`,
  );
  subscriptionId = await added(
    `insert into subscription (label, channel_id, events, leads_s, lead_unit, scope, active)
     values ('s', $1, '{certificate.expiring}', '{86400}', 'days', 'certificates', true) returning id`,
    [channelId],
  );
});

const notices = async (): Promise<number> => added('select count(*)::int as id from notice');

describe('what a notice refers to', () => {
  it('must exist, each of the certificates and subscriptions of a statement', async () => {
    await test.source.query(insert, [
      [certificateId, certificateId],
      [subscriptionId, null],
    ]);
    const missing = 2 ** 31 - 1;
    for (const refersTo of [
      [
        [certificateId, missing],
        [null, subscriptionId],
      ],
      [
        [certificateId, certificateId],
        [subscriptionId, missing],
      ],
    ])
      await expect(test.source.query(insert, refersTo)).rejects.toMatchObject({ code: '23503' });
    expect(await notices()).toBe(2);
  });

  it('cannot be changed to another', async () => {
    await test.source.query(insert, [[certificateId], [subscriptionId]]);
    for (const column of ['certificate_id', 'subscription_id'])
      await expect(test.source.query(`update notice set ${column} = ${column} + 1`)).rejects.toMatchObject({
        code: '23001',
      });
  });

  it('takes its notices with it when it is deleted', async () => {
    for (const table of ['subscription', 'certificate']) {
      await test.source.query(`insert into notice (certificate_id, subscription_id, event, dedupe_key, data, state,
        created_at) select c.id, s.id, 'certificate.expiring', 'x', '{}', 'sent', now()
        from certificate c left join subscription s on true`);
      expect(await notices()).toBe(1);
      await test.source.query(`delete from ${table}`);
      expect(await notices()).toBe(0);
    }
  });

  it('is deleted after a transaction that adds a notice of it, and with the notice', async () => {
    const adding = test.source.createQueryRunner();
    await adding.startTransaction();
    await adding.query(insert, [[certificateId], [subscriptionId]]);
    const deleting = Promise.all(
      ['certificate', 'subscription'].map((table) => test.source.query(`delete from ${table}`)),
    );
    const waits = `select count(*)::int as id from pg_stat_activity where wait_event_type = 'Lock'
      and datname = current_database()`;
    while ((await added(waits)) < 2) continue;
    await adding.commitTransaction();
    await adding.release();
    await deleting;
    expect(await notices()).toBe(0);
  });

  it('is not there for a transaction that adds a notice while it is deleted', async () => {
    const deleting = test.source.createQueryRunner();
    await deleting.startTransaction();
    await deleting.query('delete from subscription');
    const adding = test.source.query(insert, [[certificateId], [subscriptionId]]).catch((error: unknown) => error);
    const waits = `select count(*)::int as id from pg_stat_activity where wait_event_type = 'Lock'
      and datname = current_database()`;
    while ((await added(waits)) < 1) continue;
    await deleting.commitTransaction();
    await deleting.release();
    expect(await adding).toMatchObject({ code: '23503' });
    expect(await notices()).toBe(0);
  });
});
