import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { shelf } from '../support/shelf.js';

const place = shelf();
let program: TestProgram;
beforeAll(async () => {
  // The sweep runs once, at the start.
  program = await startProgram({ SWEEP_INTERVAL_S: '3600' }, { plugins: [...plugins, ...place.plugins] });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  await program.ok('POST', '/destinations', { label: 'shelf', plugin: { id: 'shelf', options: {} } });
});
afterAll(() => program.stop());

const deliveryOf = async (id: number): Promise<Json> =>
  (await program.ok('GET', `/certificates/${id}/deliveries`)).items[0];
const inState = (id: number, state: string): Promise<Json> =>
  eventually(async () => {
    const delivery = await deliveryOf(id);
    return delivery.state === state && delivery;
  });

describe('a delivery to a location where another one is being made', () => {
  it('is postponed, and is made without waiting for the sweep once the location is free', async () => {
    const held = place.hold();
    const first = await program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'a.example.com',
      authority: { name: 'root' },
      destinations: [{ label: 'shelf' }],
    });
    await eventually(async () => held.begun());
    const second = await program.ok('POST', `/certificates/${first.id}/reissue`, {});
    const begun = await eventually(async () => {
      const delivery = await deliveryOf(second.id);
      return delivery.lastAttemptAt !== null && delivery;
    });
    expect(begun).toMatchObject({ state: 'planned', attempts: 0, fault: null });
    held.release();
    await inState(second.id, 'delivered');
    expect(place.written).toEqual([first.body, second.body]);
    expect((await deliveryOf(first.id)).state).toBe('replaced');
  });
});
