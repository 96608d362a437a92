import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrations } from '../../migrations/index.js';
import { DefaultSubscriptions1763700000051 } from '../../migrations/1763700000051-default-subscriptions.js';
import { shownSubscriptionsOf } from '../../src/notifications/subscription.repository.js';
import { redoAll, undoLast } from '../support/database.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const dayMs = 86_400_000;
let program: TestProgram;
const settings = { NOTICE_DAYS: '10,2', SECURITY_TEAM_EMAIL: 'sec@example.com', SECURITY_NOTICE_DAYS: '5' };

const of = (owner: string, ...days: number[]): string[] =>
  days.map((day) => `DEFAULT_${owner.toUpperCase()}_${day}_DAY`);
const security = 'DEFAULT_SECURITY_5_DAY';
const rows = <T>(sql: string, values: unknown[] = []): Promise<T[]> => program.database.source.query(sql, values);
const issue = (owner: string, more: object = {}): Promise<{ id: number }> =>
  program.ok('POST', '/certificates', {
    ...{ owner, commonName: 'a.example.com', authority: { name: 'root' }, validityDays: 90 },
    ...more,
  });
const shown = async (id: number): Promise<string[]> =>
  (await program.ok('GET', `/certificates/${id}`)).notifications.map(({ label }: { label: string }) => label).sort();
const listed = async (id: number): Promise<string[]> =>
  (
    await rows<{ label: string }>(
      `select label from certificate_subscription l join subscription s on s.id = l.subscription_id
       where l.certificate_id = $1 order by label`,
      [id],
    )
  ).map(({ label }) => label);
const named = (...labels: string[]): object => ({ notifications: labels.map((label) => ({ label })) });
const idOf = async (label: string): Promise<number> =>
  (await program.ok('GET', `/notifications?filter=label;${label}`)).items[0].id;
const heardBy = async (label: string): Promise<number[]> =>
  (await program.ok('GET', `/notifications/${await idOf(label)}/certificates?count=100`)).items
    .map(({ id }: { id: number }) => id)
    .sort((a: number, b: number) => a - b);

beforeAll(async () => {
  program = await startProgram(settings);
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  for (const label of ['ops', 'ann'])
    await program.ok('POST', '/notifications', {
      label,
      plugin: { id: 'email', options: { recipients: `${label}@example.com`, interval: 20, unit: 'days' } },
    });
});
afterAll(() => program.stop());

describe('default subscriptions', () => {
  it('apply to a certificate that names no notification, without a stored row', async () => {
    const { id } = await issue('joe@example.com');
    expect(await shown(id)).toEqual([...of('joe@example.com', 10, 2), security].sort());
    expect(await listed(id)).toEqual([]);
    expect(await heardBy('DEFAULT_JOE@EXAMPLE.COM_2_DAY')).toEqual([id]);
    expect(await heardBy(security)).toContain(id);
  });

  it('do not apply to a certificate whose request names other mail notifications', async () => {
    const { id } = await issue('joe@example.com', named('ops'));
    expect(await shown(id)).toEqual(['ops']);
    expect(await heardBy(security)).not.toContain(id);
    const { id: some } = await issue('joe@example.com', named('ops', 'DEFAULT_JOE@EXAMPLE.COM_2_DAY'));
    expect(await shown(some)).toEqual(['DEFAULT_JOE@EXAMPLE.COM_2_DAY', 'ops']);
    const { id: all } = await issue('joe@example.com', named('ops', ...of('joe@example.com', 10, 2), security));
    expect(await shown(all)).toEqual([...of('joe@example.com', 10, 2), security, 'ops'].sort());
    expect(await listed(all)).toEqual(['ops']);
    expect(await heardBy('DEFAULT_JOE@EXAMPLE.COM_2_DAY')).toEqual(expect.arrayContaining([some, all]));
    expect(await heardBy('DEFAULT_JOE@EXAMPLE.COM_10_DAY')).not.toContain(some);
  });

  it('are removed and restored by a change of the certificate, and so is the next notice', async () => {
    const { id, ...made } = await issue('joe@example.com');
    const end = Date.parse((made as unknown as { notAfter: string }).notAfter);
    const planned = async (): Promise<number> =>
      (end - Date.parse((await program.ok('GET', `/certificates/${id}`)).nextNoticeAt)) / dayMs;
    await program.ok('PUT', `/certificates/${id}`, named('DEFAULT_JOE@EXAMPLE.COM_2_DAY'));
    expect([await shown(id), await planned()]).toEqual([['DEFAULT_JOE@EXAMPLE.COM_2_DAY'], 2]);
    await program.ok('PUT', `/certificates/${id}`, named('ann', ...of('joe@example.com', 2, 10), security));
    expect([await listed(id), await planned()]).toEqual([['ann'], 20]);
    await program.ok('PUT', `/certificates/${id}`, { notifications: [] });
    expect(await shown(id)).toEqual([...of('joe@example.com', 10, 2), security].sort());
    expect([await listed(id), await planned()]).toEqual([[], 10]);
  });

  it('are removed and restored by a change of the notification', async () => {
    const { id } = await issue('joe@example.com');
    const label = 'DEFAULT_JOE@EXAMPLE.COM_10_DAY';
    const { plugin } = await program.ok('GET', `/notifications/${await idOf(label)}`);
    const change = async (more: object): Promise<unknown> =>
      program.ok('PUT', `/notifications/${await idOf(label)}`, {
        label,
        plugin: { id: 'email', options: plugin.options },
        ...more,
      });
    await change({ removedCertificates: [{ id }] });
    expect(await shown(id)).toEqual(['DEFAULT_JOE@EXAMPLE.COM_2_DAY', security]);
    await change({ addedCertificates: [{ id }] });
    expect([await shown(id), await listed(id)]).toEqual([[...of('joe@example.com', 10, 2), security].sort(), []]);
  });

  it('do not return to a certificate whose list is changed while a job waits to plan its warnings', async () => {
    const { id } = await issue('zoe@example.com');
    const isPlanned = async (): Promise<boolean> =>
      (await rows(`select from outbox where job = 'subscription.replan' and state = 'due'`)).length === 0;
    await eventually(isPlanned);
    const zoe = { scope: 'owner', owner: 'zoe@example.com', events: ['certificate.revoked'] };
    await program.database.source.transaction(async (tx) => {
      await tx.query('update certificate set hears_defaults = false where id = $1', [id]);
      await tx.query('insert into certificate_subscription values ($1, $2)', [id, await idOf('ops')]);
      await program.ok('POST', '/subscriptions', { label: 'zoe', channel: { label: 'ops' }, ...zoe });
      await eventually(async () => {
        const waits = `select from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid))`;
        return (await tx.query<unknown[]>(waits)).length > 0;
      });
    });
    await eventually(isPlanned);
    expect(await shown(id)).toEqual(['ops']);
  });

  it('are those of the new owner after a change of owner, and listed subscriptions stay', async () => {
    const { id } = await issue('joe@example.com', named('ops', ...of('joe@example.com', 10, 2), security));
    await program.ok('PUT', `/certificates/${id}`, { owner: 'lea@example.com' });
    expect(await shown(id)).toEqual([...of('lea@example.com', 10, 2), security, 'ops'].sort());
    expect(await listed(id)).toEqual(['ops']);
    const { id: some } = await issue('joe@example.com', named('DEFAULT_JOE@EXAMPLE.COM_2_DAY'));
    await program.ok('PUT', `/certificates/${some}`, { owner: 'lea@example.com' });
    expect(await shown(some)).toEqual([...of('lea@example.com', 10, 2), security].sort());
  });

  it('apply to certificates that exist already when they are created, and set their next notice', async () => {
    const { id } = await issue('mia@example.com');
    await rows(`delete from subscription where label = 'DEFAULT_MIA@EXAMPLE.COM_10_DAY'`);
    await rows('delete from next_notice where certificate_id = $1', [id]);
    await issue('mia@example.com', { commonName: 'b.example.com' });
    const { notAfter } = await program.ok('GET', `/certificates/${id}`);
    await eventually(
      async () =>
        Date.parse((await program.ok('GET', `/certificates/${id}`)).nextNoticeAt) === Date.parse(notAfter) - 10 * dayMs,
    );
  });
});

describe('an upgrade from listed default subscriptions', () => {
  it('keeps the subscriptions of every certificate, in both directions', async () => {
    const heard = `select c.id, array(${shownSubscriptionsOf('c')} order by 1) as ids from certificate c order by c.id`;
    const links = 'select certificate_id, subscription_id from certificate_subscription order by 1, 2';
    const undo = async (): Promise<void> => {
      for (let left = migrations.length - migrations.indexOf(DefaultSubscriptions1763700000051); left > 0; left -= 1)
        await undoLast(program.database.source);
    };
    for (const owner of ['joe@example.com', 'lea@example.com', 'Old Team'])
      for (let i = 0; i < 40; i += 1) await issue(owner.includes('@') ? owner : 'mia@example.com');
    await rows(`update certificate set owner = 'Old Team' where id in (select max(id) - i from certificate,
      generate_series(0, 20) as i group by i)`);
    const before = await rows<{ id: number; ids: number[] }>(heard);
    await undo();
    // Every choice out of some subscriptions, of the owner and of others.
    await rows('delete from certificate_subscription where (certificate_id + subscription_id * 7) % 3 = 0');
    await rows(`insert into certificate_subscription (certificate_id, subscription_id)
      select c.id, s.id from certificate c cross join subscription s where (c.id * 5 + s.id * 3) % 11 = 0
      on conflict do nothing`);
    const listedBefore = await rows<{ certificate_id: number; subscription_id: number }>(links);
    await redoAll(program.database.source);
    const after = await rows<{ id: number; ids: number[] }>(heard);
    const pairs = after.flatMap(({ id, ids }) => ids.map((one) => ({ certificate_id: id, subscription_id: one })));
    expect(pairs).toEqual(listedBefore);
    const [{ yes, no }] = (await rows(`select count(*) filter (where hears_defaults)::int as yes,
      count(*) filter (where not hears_defaults)::int as no from certificate`)) as [{ yes: number; no: number }];
    expect(Math.min(yes, no)).toBeGreaterThan(0);
    expect(before).not.toEqual(after);
    await undo();
    expect(await rows(links)).toEqual(listedBefore);
    // Who hears of a certificate without any default subscription gets no company when the owner's are made.
    await rows('delete from subscription where built_in');
    await redoAll(program.database.source);
    expect(
      await rows(`select exists (select from certificate_subscription where certificate_id = c.id) as listed
        from certificate c where hears_defaults group by 1`),
    ).toEqual([{ listed: false }]);
  });
});
