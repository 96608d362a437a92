import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { plugins } from '../../plugins/index.js';
import { defineSource } from '../../src/plugin-api/source.js';
import { syncSource } from '../../src/sources/source-syncs.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

/** Never ends by itself, and stops when it is told to. */
const endless = defineSource({
  id: 'endless',
  title: 'Endless source',
  description: 'Hangs.',
  options: z.strictObject({}),
  async *scan(_, { signal }) {
    await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  },
});
const { timeoutS } = syncSource.policy;
let program: TestProgram;
afterEach(async () => {
  syncSource.policy.timeoutS = timeoutS;
  await program.stop();
});

describe('a sync that exceeds its timeout', () => {
  it('shows the failure at its source and makes no dead letter', async () => {
    syncSource.policy.timeoutS = 3;
    program = await startProgram({}, { plugins: [...plugins, endless] });
    const { id } = await program.ok('POST', '/sources', {
      label: 'endless',
      owner: 'joe@example.com',
      active: false,
      plugin: { id: 'endless', options: {} },
    });
    await program.ok('POST', `/sources/${id}/sync`);
    const source = await eventually(async () => {
      const now = await program.ok('GET', `/sources/${id}`);
      return now.fault !== null && now;
    });
    expect(source).toMatchObject({
      fault: 'unavailable',
      detail: 'Not done within 3 s.',
      attempts: 1,
      lastSync: { state: 'failed', fault: 'unavailable' },
    });
    await eventually(async () => (await program.ok('GET', '/jobs?state=done')).total > 0);
    expect((await program.ok('GET', '/jobs?state=dead')).items).toEqual([]);
    expect((await program.ok('GET', '/jobs?state=due&job=source.sync')).items).toEqual([]);
  });
});
