import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { type Shelf, shelf } from '../support/shelf.js';

let place: Shelf;
let program: TestProgram;
beforeEach(async () => {
  place = shelf();
  program = await startProgram({}, { plugins: [...plugins, ...place.plugins] });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  await program.ok('POST', '/destinations', { label: 'shelf', plugin: { id: 'shelf', options: {} } });
});
afterEach(() => program.stop());

const issue = (): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: 'a.example.com',
    authority: { name: 'root' },
    destinations: [{ label: 'shelf' }],
  });
const deliveryOf = async ({ id }: Json): Promise<Json> =>
  (await program.ok('GET', `/certificates/${id}/deliveries`)).items[0];
const comes = (certificate: Json, state: string, attempts = 0): Promise<Json> =>
  eventually(async () => {
    const delivery = await deliveryOf(certificate);
    if (delivery.state === state && delivery.attempts >= attempts) return delivery;
    program.clock.advance(600_000);
    return null;
  });
const actionsOf = async ({ id }: Json): Promise<string[]> =>
  (await program.ok('GET', `/certificates/${id}/history?count=200`)).items.map(
    ({ action }: { action: string }) => action,
  );
const sql = (statement: string): Promise<unknown> => program.database.source.query(statement);

/** Damages sealed keys, and repairs them when it is done again. */
const flipLastBit = `update certificate set sealed_key =
  set_byte(sealed_key, length(sealed_key) - 1, get_byte(sealed_key, length(sealed_key) - 1) # 1)`;

describe('a delivery that cannot be prepared', () => {
  it.each([
    [
      'the plugin of its destination is gone',
      `update destination set plugin_id = 'gone'`,
      `update destination set plugin_id = 'shelf'`,
      'gone',
    ],
    ['its private key does not open', flipLastBit, flipLastBit, 'does not open'],
  ])(
    'because %s fails and shows why, its owner is told, and it is completed after the repair',
    async (_, spoil, mend, words) => {
      place.mode = 'down';
      const certificate = await issue();
      await comes(certificate, 'failing', 1);
      await sql(spoil);
      place.mode = 'up';
      const failing = await comes(certificate, 'failing', 6);
      expect(failing).toMatchObject({ fault: 'misconfigured', deliveredAt: null, nextAttemptAt: expect.any(String) });
      expect(failing.detail).toContain(words);
      expect(place.written).toEqual([]);
      const mail = await eventually(async () => (await program.ok('GET', '/mails')).items[0]);
      expect(mail).toMatchObject({ to: ['joe@example.com'] });
      expect(mail.text).toContain(words);
      expect((await program.ok('GET', '/jobs?state=dead')).items).toEqual([]);
      expect(await actionsOf(certificate)).not.toContain('key.delivered');

      await sql(mend);
      await comes(certificate, 'delivered');
      expect(place.standing.get('shelf/a.example.com')).toContain('BEGIN CERTIFICATE');
      expect((await actionsOf(certificate)).filter((action) => action === 'key.delivered')).toHaveLength(1);
    },
  );

  it('since its first attempt has nothing to remove when its certificate is revoked', async () => {
    await sql(`update destination set plugin_id = 'gone'`);
    const certificate = await issue();
    await comes(certificate, 'failing', 1);
    await program.ok('PUT', `/certificates/${certificate.id}/revoke`, { crlReason: 'superseded' });
    expect(await deliveryOf(certificate)).toMatchObject({ state: 'stopped', lastAttemptAt: null });
  });
});

describe('the round of a delivery', () => {
  it('stays while attempts fail, and is another one for each delivery and removal that is asked for', async () => {
    place.mode = 'lost';
    const certificate = await issue();
    await comes(certificate, 'failing', 2);
    place.mode = 'up';
    await comes(certificate, 'delivered');
    expect(place.rounds.length).toBeGreaterThan(2);
    expect(new Set(place.rounds).size).toBe(1);
    const begun = async (): Promise<void> => {
      const before = place.rounds.length;
      await eventually(async () => place.rounds.length > before);
    };
    const attach = async (...labels: string[]): Promise<void> => {
      const destinations = labels.map((label) => ({ label }));
      await Promise.all([begun(), program.ok('PUT', `/certificates/${certificate.id}`, { destinations })]);
    };
    await Promise.all([begun(), program.ok('POST', `/certificates/${certificate.id}/redeploy`)]);
    await comes(certificate, 'delivered');
    await attach();
    await comes(certificate, 'removed');
    await attach('shelf');
    await attach();
    expect(new Set(place.rounds).size).toBe(5);
  });
});

describe('the audit log', () => {
  it('records the delivery of a key when it is complete, and not before', async () => {
    const held = place.hold();
    const certificate = await issue();
    await eventually(async () => held.begun());
    expect(await actionsOf(certificate)).not.toContain('key.delivered');
    held.release();
    await comes(certificate, 'delivered');
    expect(await actionsOf(certificate)).toEqual(['delivery.arrived', 'key.delivered', 'certificate.issued']);
  });
});
