import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';
import { sweptTwice } from '../support/sweeps.js';

const hourMs = dayMs / 24;
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

let program: TestProgram;
beforeAll(async () => {
  program = await startProgram();
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
});
afterAll(() => program.stop());

const issue = (commonName: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName,
    authority: { name: 'root' },
    validityDays: 90,
    rotation: true,
    ...more,
  });
const planOf = (id: number): Promise<Json> => program.ok('GET', `/certificates/${id}/plan`);
const replacements = async (id: number): Promise<Json[]> => (await program.ok('GET', `/certificates/${id}`)).replacedBy;
/** Two hours of each week, around this moment. */
const around = (at: number): object => ({
  timeZone: 'Etc/UTC',
  windows: [
    {
      weekdays: [weekdays[new Date(at - hourMs).getUTCDay()]],
      from: new Date(at - hourMs).toISOString().slice(11, 16),
      to: new Date(at + hourMs).toISOString().slice(11, 16),
    },
  ],
});

describe('a policy with maintenance windows', () => {
  it('refuses a window that would never open, and shows the next three that do (5: certimate#928)', async () => {
    const policy = { name: 'nights', days: 30 };
    const window = { weekdays: ['sat'], from: '22:00', to: '04:00' };
    const refused = async (maintenance: object): Promise<string[]> => {
      const { status, body } = await program.call('POST', '/policies', { ...policy, maintenance });
      expect(status).toBe(400);
      return Object.keys(body.reasons);
    };
    const ofWindow = ['maintenance.windows.0.from', 'maintenance.windows.0.weekdays'];
    expect(await refused({ timeZone: 'Mars/Olympus', windows: [window] })).toEqual(['maintenance.timeZone']);
    expect(await refused({ timeZone: 'UTC', windows: [{ weekdays: [], from: '0 22 * * 6', to: '04:00' }] })).toEqual(
      expect.arrayContaining(ofWindow),
    );
    expect(await refused({ timeZone: 'UTC', windows: [] })).toEqual(['maintenance.windows']);

    const maintenance = { timeZone: 'Europe/Berlin', windows: [window] };
    const { id } = await program.ok('POST', '/policies', { ...policy, maintenance });
    const shown = await program.ok('GET', `/policies/${id}`);
    expect(shown).toMatchObject({ maintenance, spreadHours: null, emergencyFraction: null });
    expect(shown.nextWindows.length).toBe(3);
    for (const { from } of shown.nextWindows)
      expect(
        new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', weekday: 'short', hour: '2-digit' }).format(
          new Date(from),
        ),
      ).toMatch(/^Sat,? 22$/);
    // A client sends back what it has read.
    expect(await program.ok('PUT', `/policies/${id}`, shown)).toEqual(shown);
    expect((await program.ok('PUT', `/policies/${id}`, policy)).nextWindows).toBeNull();
  });

  it('holds a renewal until the next window opens, and the plan says so', async () => {
    await program.ok('POST', '/policies', { name: 'weekly', days: 10, spreadHours: 0 });
    const { id, notAfter } = await issue('weekly.example.com', { rotationPolicy: { name: 'weekly' } });
    const dueAt = Date.parse(notAfter) - 10 * dayMs;
    const opensAt = dueAt + 2 * dayMs;
    const [policy] = (await program.ok('GET', '/policies?filter=name;weekly')).items;
    await program.ok('PUT', `/policies/${policy.id}`, { ...policy, maintenance: around(opensAt + hourMs) });
    const plan = await eventually(async () => {
      const found = await planOf(id);
      return Date.parse(found.at) > dueAt && found;
    });
    expect(Date.parse(plan.dueAt)).toBe(dueAt);
    expect(Date.parse(plan.at)).toBeGreaterThan(opensAt - 60_000);
    expect(Date.parse(plan.at)).toBeLessThanOrEqual(opensAt);
    expect(plan).toMatchObject({ reason: 'policy', text: expect.stringContaining('next maintenance window') });

    program.clock.advance(dueAt - program.clock.now().getTime() + dayMs);
    await sweptTwice(program, 'due-work');
    expect(await replacements(id)).toEqual([]);
    program.clock.advance(dayMs + hourMs);
    await eventually(async () => (await replacements(id)).length === 1);
  });

  it('waits for the window after the one that the program slept through', async () => {
    const { id, notAfter } = await issue('slept.example.com', { rotationPolicy: { name: 'weekly' } });
    const { at } = await planOf(id);
    // Only the plan of this certificate, not the clock of the program, is known to be past its window.
    program.clock.advance(Date.parse(at) - program.clock.now().getTime() + 3 * hourMs);
    await sweptTwice(program, 'due-work');
    expect(await replacements(id)).toEqual([]);
    const next = await planOf(id);
    expect(Date.parse(next.at)).toBeGreaterThan(Date.parse(at));
    expect(Date.parse(next.at)).toBeLessThan(Date.parse(notAfter));
    program.clock.advance(Date.parse(next.at) - program.clock.now().getTime() + hourMs);
    await eventually(async () => (await replacements(id)).length === 1);
  });
});

describe('a fleet', () => {
  it('that is issued at once renews at different moments of the day before it is due', async () => {
    const made = await Promise.all(Array.from({ length: 12 }, (_, n) => issue(`fleet-${n}.example.com`)));
    const plans = await Promise.all(made.map(({ id }) => planOf(id)));
    const early = plans.map(({ at }, n) => Date.parse(made[n]?.notAfter) - 30 * dayMs - Date.parse(at));
    expect(Math.min(...early)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...early)).toBeLessThan(dayMs);
    expect(new Set(early.map((ms) => Math.round(ms / 60_000))).size).toBeGreaterThan(6);
    // The date stays the same however often it is planned.
    const [first] = made;
    await program.ok('PUT', `/certificates/${first?.id}`, { description: 'Changed.' });
    expect((await planOf(first?.id)).at).toBe(plans[0]?.at);
    expect((await program.ok('GET', `/certificates/${first?.id}`)).renewal.at).toBe(plans[0]?.at);
  });
});

describe('the calendar of renewals', () => {
  const calendar = (query: string): Promise<Json> => program.ok('GET', `/rotation/calendar?${query}`);

  it('counts what is planned for each day and what ends without a plan, by authority, and names spikes', async () => {
    const { id: authorityId } = await program.ok('POST', '/authorities', {
      name: 'calendar',
      owner: 'pki@example.com',
      commonName: 'Calendar',
      validityYears: 20,
    });
    await program.ok('POST', '/policies', { name: 'one day', days: 10, spreadHours: 0 });
    const more = { authority: { name: 'calendar' }, rotationPolicy: { name: 'one day' } };
    const made = await Promise.all(Array.from({ length: 12 }, (_, n) => issue(`day-${n}.example.com`, more)));
    const alone = await issue('alone.example.com', { authority: { name: 'calendar' }, rotation: false });
    const dayOf = (text: string, daysBefore = 0): string =>
      new Date(Date.parse(text) - daysBefore * dayMs).toISOString().slice(0, 10);
    const planned = new Map<string, number>();
    for (const { notAfter } of made) planned.set(dayOf(notAfter, 10), (planned.get(dayOf(notAfter, 10)) ?? 0) + 1);

    const from = dayOf(made[0]?.notAfter, 20);
    const to = dayOf(alone.notAfter, -1);
    const found = await calendar(`from=${from}&to=${to}&authority=${authorityId}`);
    expect(found).toMatchObject({ from, to, waiting: 0 });
    for (const [date, renewals] of planned)
      expect(found.days).toContainEqual({
        date,
        renewals,
        endsWithoutPlan: 0,
        authorities: [{ id: authorityId, name: 'calendar', renewals, endsWithoutPlan: 0 }],
      });
    expect(found.days.at(-1)).toMatchObject({ date: dayOf(alone.notAfter), renewals: 0, endsWithoutPlan: 1 });
    // Midnight may have passed between two of them.
    if (planned.size === 1)
      expect(found.spikes).toMatchObject([{ renewals: 12, text: expect.stringMatching(/calendar[.]$/) }]);
    const whole = await calendar(`from=${from}&to=${to}`);
    expect(whole.days.length).toBeGreaterThanOrEqual(found.days.length);
    expect((await program.ok('GET', '/rotation/calendar')).from).toBe(dayOf(program.clock.now().toISOString()));
    expect((await program.call('GET', '/rotation/calendar?from=2026-03-02&to=2026-03-01')).status).toBe(400);
    for (const span of ['from=2026-01-01&to=2029-01-01', 'from=9999-12-31'])
      expect((await program.call('GET', `/rotation/calendar?${span}`)).status).toBe(400);
  });
});
