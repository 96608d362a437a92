import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NoticeView } from '../../src/certificates/notify/notice.schema.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';
import { startSmtp, type TestSmtp } from '../support/smtp.js';

const hourMs = 3_600_000;
let smtp: TestSmtp;
let program: TestProgram;
beforeAll(async () => {
  smtp = await startSmtp();
  program = await startProgram({ SMTP_URL: smtp.url, NOTICE_DAYS: '30' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
});
afterAll(async () => {
  await program.stop();
  smtp.close();
});

const issue = async (owner: string): Promise<number> =>
  (
    await program.ok('POST', '/certificates', {
      owner,
      commonName: 'host.example.com',
      authority: { name: 'root' },
      validityDays: 90,
    })
  ).id;
const warningOf = async (id: number): Promise<NoticeView | undefined> =>
  (await program.ok('GET', `/notices?certificateId=${id}&event=certificate.expiring`)).items[0];
const attemptsOf = (id: number, least: number): Promise<NoticeView> =>
  eventually(async () => {
    const notice = await warningOf(id);
    return notice !== undefined && notice.attempts >= least && notice;
  });
const mailTo = (address: string): Promise<unknown> =>
  eventually(async () => smtp.received.find(({ to }) => to.includes(address)));
const warnings = async (): Promise<string> => {
  const ready = (await (await fetch(`${program.url}/health/ready`)).json()) as { warnings?: string[] };
  return (ready.warnings ?? []).join();
};

describe('a warning that the mail server refuses', () => {
  it('is sent as soon as the server takes it, days later, and is shown until then', async () => {
    const id = await issue('joe@example.com');
    smtp.refuseWith(554);
    program.clock.advance(60 * dayMs + hourMs);
    await attemptsOf(id, 1);
    expect(await warnings()).not.toContain('refuse');
    for (let days = 0, attempts = 2; days < 4; days += 1 / 3, attempts += 1) {
      program.clock.advance(8 * hourMs);
      expect(await attemptsOf(id, attempts)).toMatchObject({ state: 'due', fault: 'refused' });
    }
    expect(await warnings()).toContain('Receivers have refused 1 notices for more than an hour.');
    expect((await program.ok('GET', '/notices?filter=fault;refused')).total).toBe(1);
    smtp.refuseWith(null);
    program.clock.advance(8 * hourMs);
    await mailTo('joe@example.com');
    expect(await warnings()).not.toContain('refuse');
  });

  it('and was dropped while nobody wanted it is sent when somebody does', async () => {
    const id = await issue('ann@example.com');
    smtp.refuseWith(554);
    program.clock.advance(60 * dayMs + hourMs);
    await attemptsOf(id, 1);
    await program.ok('PUT', `/certificates/${id}`, { notify: false });
    program.clock.advance(8 * hourMs);
    await eventually(async () => (await warningOf(id))?.state === 'dropped');
    expect(await warningOf(id)).toMatchObject({ fault: null, detail: null });
    smtp.refuseWith(null);
    await program.ok('PUT', `/certificates/${id}`, { notify: true });
    await mailTo('ann@example.com');
  });

  it('is given up days after its certificate has expired', async () => {
    const id = await issue('eva@example.com');
    smtp.refuseWith(554);
    program.clock.advance(88 * dayMs);
    for (let attempts = 1; attempts < 6; attempts += 1) {
      await attemptsOf(id, attempts);
      program.clock.advance(8 * hourMs);
    }
    program.clock.advance(dayMs);
    expect(await attemptsOf(id, 6)).toMatchObject({ state: 'due' });
    program.clock.advance(dayMs + 12 * hourMs);
    expect(await attemptsOf(id, 7)).toMatchObject({ state: 'dropped', fault: 'refused', nextAttemptAt: null });
    smtp.refuseWith(null);
  });

  it('and is wanted again while it is dropped, is sent', async () => {
    const id = await issue('zoe@example.com');
    smtp.refuseWith(554);
    program.clock.advance(60 * dayMs + hourMs);
    await attemptsOf(id, 1);
    await program.ok('PUT', `/certificates/${id}`, { notify: false });
    const { source } = program.database;
    await source.query(`create function stop_for_test() returns trigger language plpgsql
      as $$ begin perform pg_advisory_xact_lock(4711); return new; end $$`);
    await source.query(`create trigger stop_for_test before update on notice for each row
      when (new.state = 'dropped') execute function stop_for_test()`);
    const stopper = source.createQueryRunner();
    await stopper.query('select pg_advisory_lock(4711)');
    const blocked = async (wait: string): Promise<boolean> =>
      (await source.query(`select from pg_stat_activity where datname = current_database() and ${wait}`)).length > 0;
    program.clock.advance(8 * hourMs);
    await eventually(() => blocked(`wait_event = 'advisory'`));
    let isWanted = false;
    const wanted = program.ok('PUT', `/certificates/${id}`, { notify: true }).then(() => (isWanted = true));
    await eventually(async () => isWanted || (await blocked(`wait_event_type = 'Lock' and wait_event <> 'advisory'`)));
    await stopper.query('select pg_advisory_unlock(4711)');
    await stopper.release();
    await wanted;
    await source.query('drop trigger stop_for_test on notice');
    smtp.refuseWith(null);
    await mailTo('zoe@example.com');
  });
});
