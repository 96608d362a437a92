import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const base = mkdtempSync(join(tmpdir(), 'source-health-'));
let program: TestProgram;
beforeAll(async () => {
  program = await startProgram();
});
afterAll(async () => {
  await program.stop();
  rmSync(base, { recursive: true, force: true });
});

const ready = async (): Promise<Json> => (await fetch(`${program.url}/health/ready`)).json();
const warnings = async (): Promise<string[]> => (await ready()).warnings;
const overdue = async (): Promise<string | undefined> =>
  /^perennial_sources_overdue (\S+)$/m.exec(await (await fetch(`${program.url}/metrics`)).text())?.[1];
const lastSyncOf = async (id: number): Promise<Json> => (await program.ok('GET', `/sources/${id}/syncs`)).items[0];

it('warns of an active source that cannot be scanned, and counts it, until it is scanned or switched off', async () => {
  const request = { label: 'gone', owner: 'web@example.com' };
  const at = (path: string): object => ({ id: 'filesystem-source', options: { path } });
  expect([await warnings(), await overdue()]).toEqual([[], '0']);
  const { id } = await program.ok('POST', '/sources', { ...request, plugin: at(join(base, 'missing')) });
  await program.ok('POST', `/sources/${id}/sync`);
  await eventually(async () => (await lastSyncOf(id))?.state === 'failed');
  expect(await warnings()).toEqual(['1 active source fails or is not scanned in time: see GET /sources for why.']);
  expect(await overdue()).toBe('1');
  await program.ok('PUT', `/sources/${id}`, { ...request, active: false, plugin: at(join(base, 'missing')) });
  expect([await warnings(), await overdue()]).toEqual([[], '0']);
  await program.ok('PUT', `/sources/${id}`, { ...request, active: true, plugin: at(base) });
  await program.ok('POST', `/sources/${id}/sync`);
  await eventually(async () => (await lastSyncOf(id))?.state === 'done');
  expect([await warnings(), await overdue()]).toEqual([[], '0']);
});
