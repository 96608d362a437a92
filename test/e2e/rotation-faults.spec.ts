import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';
import { sweptTwice } from '../support/sweeps.js';

// Faults of other certificate managers that concern renewals. The numbers stand in the titles of tests of other files,
// too; each title names where the fault was reported.

let program: TestProgram;
beforeAll(async () => {
  program = await startProgram();
  await program.ok('POST', '/authorities', {
    name: 'root',
    owner: 'pki@example.com',
    commonName: 'Root',
    validityYears: 20,
  });
  await program.ok('POST', '/policies', { name: 'ten days', days: 10, spreadHours: 0 });
});
afterAll(() => program.stop());

const issue = (commonName: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName,
    authority: { name: 'root' },
    validityDays: 90,
    rotation: true,
    rotationPolicy: { name: 'ten days' },
    ...more,
  });
const get = (id: number): Promise<Json> => program.ok('GET', `/certificates/${id}`);
const goTo = ({ notAfter }: Json, daysBefore: number): void =>
  program.clock.advance(Date.parse(notAfter) - daysBefore * dayMs - program.clock.now().getTime());
const superseded = (id: number): Promise<Json> =>
  eventually(async () => {
    const found = await get(id);
    return found.lifecycle === 'superseded' && found;
  });
const named = async (commonName: string): Promise<Json[]> =>
  (await program.ok('GET', `/certificates?filter=cn;"${commonName}"&count=100`)).items;
const mailsAbout = async (text: string): Promise<string[]> =>
  (await program.ok('GET', '/mails?count=200')).items
    .map(({ subject }: { subject: string }) => subject)
    .filter((subject: string) => subject.includes(text));
const sweeps = (): Promise<void> => sweptTwice(program, 'due-work', 'due-deliveries', 'expiry-notices');

describe('a renewal', () => {
  it('happens once: neither the successor nor the superseded certificate renews again (7: certmate#391)', async () => {
    const one = await issue('once.example.com');
    goTo(one, 9.9);
    const { replacedBy } = await superseded(one.id);
    for (let day = 0; day < 3; day += 1) {
      program.clock.advance(dayMs);
      await sweeps();
    }
    expect((await named('once.example.com')).map(({ id }) => id).toSorted()).toEqual(
      [one.id, replacedBy[0].id].toSorted(),
    );
    expect(await program.ok('GET', `/certificates/${one.id}/plan`)).toMatchObject({
      willRenew: false,
      reason: 'superseded',
    });
  });

  it('that has nothing to do says so, and tells nobody that something was renewed (9: certimate#594)', async () => {
    const one = await issue('nothing.example.com');
    await program.ok('POST', `/certificates/${one.id}/reissue`, { notify: false });
    const { replacedBy } = await superseded(one.id);
    // What was issued before is not the successor's successor.
    expect(await program.ok('POST', `/certificates/${one.id}/rotate`)).toMatchObject({ action: 'none' });
    await sweeps();
    expect(await mailsAbout('nothing.example.com: renewed')).toEqual([]);
    expect((await get(replacedBy[0].id)).replacedBy).toEqual([]);
  });

  it('asks for the same validity and keeps every setting of the certificate (17: certmate#422)', async () => {
    const one = await issue('kept.example.com', {
      labels: ['shop', 'eu'],
      keyType: 'RSA2048',
      validityDays: 73,
      extensions: { subAltNames: { names: [{ nameType: 'DNSName', value: 'more.example.com' }] } },
    });
    const { id } = await program.ok('POST', `/certificates/${one.id}/reissue`);
    const successor = await get(id);
    const days = ({ notBefore, notAfter }: Json): number => (Date.parse(notAfter) - Date.parse(notBefore)) / dayMs;
    expect(days(successor)).toBeCloseTo(days(one), 1);
    for (const field of ['owner', 'labels', 'keyType', 'notify', 'rotation', 'rotationPolicy', 'cn'])
      expect([field, successor[field]]).toEqual([field, one[field]]);
  });

  it('is switched off and on by what the server stores and gives back (36: UCM 2.196)', async () => {
    const { id } = await issue('switch.example.com');
    for (const rotation of [false, true]) {
      expect((await program.ok('PUT', `/certificates/${id}`, { rotation })).rotation).toBe(rotation);
      expect((await get(id)).rotation).toBe(rotation);
      expect((await program.ok('GET', `/certificates/${id}/plan`)).willRenew).toBe(rotation);
    }
  });

  it('pass that fails is stored with its reason and stays visible until one succeeds (36: UCM 2.122)', async () => {
    const { source } = program.database;
    await source.query('alter table renewal_wait rename to renewal_wait_away');
    const one = await issue('crashed.example.com');
    goTo(one, 9.9);
    const task = async (): Promise<Json> =>
      (await source.query(`select failures, last_error as error from periodic_task where name = 'due-work'`))[0];
    await eventually(async () => (await task()).failures > 0);
    expect((await task()).error).toContain('renewal_wait');
    await source.query('alter table renewal_wait_away rename to renewal_wait');
    await superseded(one.id);
    await eventually(async () => (await task()).failures === 0);
  });
});
