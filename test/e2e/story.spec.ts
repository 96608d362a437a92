import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

describe('the main job', () => {
  let program: TestProgram;
  beforeAll(async () => { program = await startProgram(); });
  afterAll(() => program.stop());

  it('issues, and renews by itself when time comes', async () => {
    const { ok, clock } = program;
    await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
    const first = await ok('POST', '/certificates', { owner: 'joe@example.com', commonName: 'a.example.com', authority: { name: 'root' }, validityDays: 90, rotationPolicy: { name: 'default' } });
    expect(first.state).toBe('issued');
    clock.advance(61 * 86_400_000);
    const successor = await eventually(async () => (await ok('GET', `/certificates/${first.id}`)).replacedBy[0]);
    expect(successor.serial).not.toBe(first.serial);
    expect((await ok('GET', `/certificates/${first.id}`)).state).toBe('superseded');
    expect((await ok('GET', '/certificates?short=true')).total).toBe(2);
  });
});
