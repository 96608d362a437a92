import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

const hourMs = dayMs / 24;
const owner = 'pki@example.com';

let program: TestProgram;
let idOf: Record<string, number>;
beforeAll(async () => {
  program = await startProgram();
  idOf = {};
  for (const name of ['steady', 'broken', 'slow', 'paused'])
    idOf[name] = (await program.ok('POST', '/authorities', { name, owner, commonName: name, validityYears: 20 })).id;
});
afterAll(() => program.stop());

let number = 0;
const issue = (authority: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: `plan-${(number += 1)}.example.com`,
    authority: { name: authority },
    validityDays: 90,
    rotation: true,
    ...more,
  });
const newPolicy = (name: string, days: number): Promise<Json> =>
  program.ok('POST', '/policies', { name, days, spreadHours: 0 });
const planOf = (id: number): Promise<Json> => program.ok('GET', `/certificates/${id}/plan`);
const read = (id: number): Promise<Json> => program.ok('GET', `/certificates/${id}`);
const activate = (authority: string, active: boolean): Promise<Json> =>
  program.ok('PUT', `/authorities/${idOf[authority]}`, { owner, active });
const goTo = ({ notAfter }: Json, daysBefore: number): void =>
  program.clock.advance(Date.parse(notAfter) - daysBefore * dayMs - program.clock.now().getTime());
const nextOf = async (id: number): Promise<number> => Date.parse((await read(id)).renewal.at);

describe('a renewal that has failed', () => {
  it('is tried again soon although its policy was changed to a later day and back', async () => {
    const policy = await newPolicy('moved', 30);
    const { id, notAfter } = await issue('broken', { rotationPolicy: { name: 'moved' } });
    await activate('broken', false);
    goTo({ notAfter }, 29.9);
    await eventually(async () => (await read(id)).renewal.attempts === 1);

    await program.ok('PUT', `/policies/${policy.id}`, { ...policy, days: 2 });
    await eventually(async () => (await nextOf(id)) === Date.parse(notAfter) - 2 * dayMs);
    await program.ok('PUT', `/policies/${policy.id}`, policy);
    await eventually(async () => (await nextOf(id)) < program.clock.now().getTime() + hourMs);
  });

  it('shows in its plan when it is tried again, and why it will fail again', async () => {
    const { id, notAfter } = await issue('steady', { rotationPolicy: { name: 'moved' } });
    await activate('steady', false);
    goTo({ notAfter }, 29.9);
    await eventually(async () => (await read(id)).renewal.attempts > 0);
    const { at, dueAt, hold, explanation, remedies } = await eventually(async () => {
      const plan = await planOf(id);
      return plan.hold?.kind === 'retry' && plan.at === (await read(id)).renewal.at && plan;
    });
    expect(Date.parse(at)).toBeGreaterThan(Date.parse(dueAt));
    expect(hold).toMatchObject({ until: at, text: expect.stringContaining('An attempt has failed') });
    expect(explanation.at(-1)).toBe('As things are, it fails: Authority steady is not active.');
    expect(remedies).toEqual(expect.arrayContaining([expect.stringContaining('steady is inactive')]));
    expect(remedies.join(' ')).not.toContain('Somebody with the right');

    await activate('steady', true);
    program.clock.advance(Date.parse(at) - program.clock.now().getTime() + 1000);
    await eventually(async () => (await read(id)).replacedBy.length === 1);
  });
});

describe('a certificate that ends with its authority', () => {
  it('has a plan that says from the beginning that its renewal fails, as it then does', async () => {
    const validityEnd = new Date(program.clock.now().getTime() + 100 * dayMs).toISOString();
    const ending = await program.ok('POST', '/authorities', {
      name: 'ending',
      owner,
      commonName: 'Ending',
      validityEnd,
    });
    const { notAfter: end } = ending.authorityCertificate;
    const { id, notAfter } = await issue('ending', { validityDays: undefined, validityEnd: end });
    expect(notAfter).toBe(end);
    const early = await issue('ending', { validityDays: 60 });
    const plan = await planOf(id);
    expect(plan.willRenew).toBe(true);
    expect(plan.explanation.at(-1)).toMatch(
      /^As things are, it fails: The authority itself ends at .* would not outlive/,
    );
    expect(plan.remedies[0]).toMatch(/The authority itself ends/);
    expect((await planOf(early.id)).explanation.join(' ')).not.toContain('fails');

    program.clock.advance(Date.parse(plan.at) - program.clock.now().getTime() + 1000);
    const failed = await eventually(async () => {
      const { renewal } = await read(id);
      return renewal.attempts > 0 && renewal;
    });
    expect(failed.detail).toMatch(/The authority itself ends/);
    await eventually(async () => (await read(early.id)).replacedBy.length === 1);
  });
});

describe('plans, certificates and the calendar', () => {
  /** What the plans of these certificates say: how many renew on which day, and how many wait for an unknown one. */
  const told = async (ids: readonly number[]): Promise<{ days: Record<string, number>; waiting: number }> => {
    const days: Record<string, number> = {};
    let waiting = 0;
    for (const plan of await Promise.all(ids.map(planOf))) {
      if (!plan.willRenew) continue;
      const isDue = Date.parse(plan.dueAt) <= program.clock.now().getTime();
      // A pause without an end moves what is not due yet to an unknown day: the calendar has the planned one.
      const day = (plan.hold?.kind === 'pause' ? plan.dueAt : plan.at).slice(0, 10);
      if (isDue && ['limit', 'pause'].includes(plan.hold?.kind)) waiting += 1;
      else days[day] = (days[day] ?? 0) + 1;
    }
    return { days, waiting };
  };
  const counted = async (authority: string): Promise<{ days: Record<string, number>; waiting: number }> => {
    const { days, waiting } = await program.ok('GET', `/rotation/calendar?authority=${idOf[authority]}`);
    const listed = days.filter(({ renewals }: Json) => renewals > 0);
    return { days: Object.fromEntries(listed.map(({ date, renewals }: Json) => [date, renewals])), waiting };
  };
  const all = async (authority: string): Promise<number[]> =>
    (await program.ok('GET', `/certificates?authority=${idOf[authority]}&count=50`)).items.map(({ id }: Json) => id);
  // A renewal that has begun stores its successor a moment later.
  const agree = (authority: string): Promise<unknown> =>
    eventually(async () => {
      const [calendar, plans] = [await counted(authority), await told(await all(authority))];
      return JSON.stringify(calendar) === JSON.stringify({ ...plans, days: sorted(plans.days) }) && calendar;
    });
  const sorted = (days: Record<string, number>): Record<string, number> =>
    Object.fromEntries(Object.entries(days).toSorted(([a], [b]) => (a < b ? -1 : 1)));

  it('agree while a limit or a pause holds renewals, when their policy is moved, and after the pause', async () => {
    await newPolicy('kept', 30);
    const moving = await newPolicy('moving', 30);
    const made: Record<string, number[]> = { slow: [], paused: [] };
    let last: Json;
    for (const authority of ['slow', 'paused'])
      for (const policy of ['kept', 'kept', 'kept', 'moving', 'moving']) {
        last = await issue(authority, { rotationPolicy: { name: policy } });
        made[authority]?.push(last.id);
      }
    await program.ok('PUT', '/rotation/limits', { authorities: [{ authority: { name: 'slow' }, perHour: 1 }] });
    const { id: pauseId } = await program.ok('POST', '/rotation/pauses', {
      scope: 'authority',
      authority: { name: 'paused' },
      reason: 'Test.',
    });
    goTo(last, 29.5);
    await eventually(async () => (await counted('slow')).waiting === 4 && (await counted('paused')).waiting === 5);
    await agree('slow');
    await agree('paused');

    await program.ok('PUT', `/policies/${moving.id}`, { ...moving, days: 10 });
    const isMoved = async (ids: number[] = []): Promise<boolean> =>
      (await Promise.all(ids.slice(3).map(nextOf))).every((at) => at > program.clock.now().getTime() + 15 * dayMs);
    await eventually(() => isMoved(made.paused));
    await agree('slow');
    await agree('paused');
    expect((await counted('paused')).waiting).toBe(3);
    expect((await planOf(made.paused?.[3] ?? 0)).dueAt).toBe((await read(made.paused?.[3] ?? 0)).renewal.at);

    // What is renewed by hand, or deleted, waits no more.
    await program.ok('POST', `/certificates/${made.paused?.[0]}/reissue`, {});
    expect(await program.ok('GET', `/rotation/pauses/${pauseId}`)).toMatchObject({ waiting: 2 });
    expect((await counted('paused')).waiting).toBe(2);

    // The pause has lasted for a day, so that what it held is spread over a day.
    program.clock.advance(dayMs);
    await program.ok('DELETE', `/rotation/pauses/${pauseId}`);
    await eventually(async () => (await counted('paused')).waiting === 0);
    await agree('paused');
    const spread = await planOf(made.paused?.[1] ?? 0);
    if (spread.willRenew) expect(spread).toMatchObject({ hold: { kind: 'spread' }, at: spread.hold.until });
  });
});
