import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrations } from '../../migrations/index.js';
import { Channels1763700000049 } from '../../migrations/1763700000049-channels.js';
import { migrate } from '../../src/platform/db/data-source.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let test: TestDatabase;
const rows = (sql: string): Promise<unknown[]> => test.source.query(sql);
const old = 'select id, label, active, options, lead_s, built_in from notification order by id';

beforeAll(async () => {
  test = await createTestDatabase();
  for (let left = migrations.length - migrations.indexOf(Channels1763700000049); left > 0; left -= 1)
    await test.source.undoLastMigration({ transaction: 'all' });
  await rows(`insert into notification (label, active, plugin_id, options, secret_id, lead_s, built_in) values
    ('DEFAULT_JOE@A.EXAMPLE_30_DAY', true, 'email', '{"interval": 30, "unit": "days", "recipients": "joe@a.example"}',
     gen_random_uuid(), 2592000, true),
    ('DEFAULT_JOE@A.EXAMPLE_2_DAY', true, 'email', '{"interval": 2, "unit": "days", "recipients": "joe@a.example"}',
     gen_random_uuid(), 172800, true),
    ('DEFAULT_JOE@A.EXAMPLE_1_DAY', false, 'email', '{"interval": 1, "unit": "days", "recipients": "team@a.example"}',
     gen_random_uuid(), 86400, true),
    ('ops', true, 'email', '{"interval": 2, "unit": "weeks", "recipients": "ops@a.example"}', gen_random_uuid(),
     1209600, false),
    ('ops too', true, 'email', '{"interval": 3, "unit": "months", "recipients": "ops@a.example"}', gen_random_uuid(),
     7776000, false)`);
});
afterAll(() => test.drop());

describe('notifications from before the upgrade', () => {
  it('become subscriptions with the same ids, and the defaults of an owner share one channel', async () => {
    const before = await rows(old);
    await migrate(test.source);
    expect(
      await rows(`select s.id, s.label, s.leads_s as leads, s.lead_unit as unit, s.active, c.label as channel, c.origin,
        c.options from subscription s join channel c on c.id = s.channel_id order by s.id`),
    ).toMatchObject([
      {
        id: 1,
        leads: [2592000],
        unit: 'days',
        channel: 'DEFAULT_JOE@A.EXAMPLE',
        options: { recipients: 'joe@a.example' },
      },
      { id: 2, leads: [172800], unit: 'days', channel: 'DEFAULT_JOE@A.EXAMPLE', origin: 'program' },
      { id: 3, leads: [86400], active: false, origin: 'notification', options: { recipients: 'team@a.example' } },
      { id: 4, leads: [1209600], unit: 'weeks', channel: 'ops', origin: 'notification' },
      { id: 5, leads: [7776000], unit: 'months', channel: 'ops too', options: { recipients: 'ops@a.example' } },
    ]);
    expect(await rows('select count(*)::int as n from channel')).toEqual([{ n: 4 }]);
    for (let left = migrations.length - migrations.indexOf(Channels1763700000049); left > 0; left -= 1)
      await test.source.undoLastMigration({ transaction: 'all' });
    expect(await rows(old)).toEqual(before);
  });
});
