import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

// What a figure says before somebody acts on it, by the numbers of `test/faults-elsewhere.spec.ts`.

const folder = mkdtempSync(join(tmpdir(), 'figures-'));
let program: TestProgram;
beforeAll(async () => {
  program = await startProgram();
  for (const name of ['one', 'two'])
    await program.ok('POST', '/authorities', { name, owner: 'pki@example.com', commonName: `Figures "${name}"` });
});
afterAll(async () => {
  await program.stop();
  rmSync(folder, { recursive: true, force: true });
});

const issue = (commonName: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName,
    authority: { name: 'one' },
    validityDays: 90,
    ...more,
  });
const totalOf = async (query: Record<string, string>): Promise<number> =>
  (await program.ok('GET', `/certificates?${new URLSearchParams(query).toString()}`)).total;

describe('a figure', () => {
  /** The filter of the list that a label of a metric leads to. */
  const filters: Record<string, (label: string | number) => Record<string, string>> = {
    bits: (label) => ({ filter: `bits;${label}`, showExpired: '1' }),
    issuer: (label) => ({ filter: `issuer;"${label}"`, showExpired: '1' }),
    not_after: (label) => ({ filter: `issuer;"${label}"`, timeRange: '32' }),
    signing_algorithm: (label) => ({ filter: `signingAlgorithm;"${label}"`, showExpired: '1' }),
  };
  beforeAll(async () => {
    await program.ok('POST', '/destinations', {
      label: 'web',
      plugin: { id: 'filesystem', options: { path: join(folder, 'web') } },
    });
    // Expired long ago, revoked, replaced, of both issuers, with different keys, and beyond the 32 weeks.
    await issue('old.example.com', { validityDays: 1, rotation: false });
    program.clock.advance(400 * dayMs);
    const { id } = await issue('revoked.example.com', { authority: { name: 'two' } });
    await program.ok('PUT', `/certificates/${id}/revoke`, {});
    const replaced = await issue('replaced.example.com', { destinations: [{ label: 'web' }] });
    await program.ok('POST', `/certificates/${replaced.id}/reissue`);
    await issue('rsa.example.com', { keyType: 'RSA2048', authority: { name: 'two' } });
    await issue('long.example.com', { validityDays: 300, destinations: [{ label: 'web' }] });
  });

  it.each(Object.keys(filters))(
    'by %s has a filter, whose list has exactly as many (31: ILM fe#727)',
    async (metric) => {
      const { labels, values } = (await program.ok('GET', `/certificates/stats?metric=${metric}`)).items;
      expect(labels.length).toBeGreaterThan(0);
      for (const [at, label] of labels.entries())
        expect([label, await totalOf(filters[metric]?.(label) ?? {})]).toEqual([label, values[at]]);
    },
  );

  it('by destination has a filter, whose list has exactly as many (31: ILM fe#727)', async () => {
    const { labels, values } = (await program.ok('GET', '/destinations/stats')).items;
    const [{ id }] = (await program.ok('GET', '/destinations')).items;
    expect([labels, values]).toEqual([['web'], [await totalOf({ destinationId: String(id), showExpired: '1' })]]);
  });
});

describe('rules of a profile that are to be stricter', () => {
  it('say how many renewals they would refuse before they are stored, and refuse those (35: UCM 2.203)', async () => {
    const { id } = await program.ok('POST', '/profiles', { name: 'fleet', rules: {} });
    const profile = { name: 'fleet' };
    const renewed = { profile, rotation: true };
    const fleet: Json[] = [];
    for (const n of [1, 2, 3]) fleet.push(await issue(`ec-${n}.example.com`, renewed));
    const fits = await issue('rsa-1.example.com', { ...renewed, keyType: 'RSA2048' });
    await issue('unwatched.example.com', { profile, rotation: false });
    const preview = (rules: object): Promise<Json> => program.ok('POST', `/profiles/${id}/preview`, { rules });
    expect(await preview({})).toEqual({
      dryRun: true,
      renewals: 4,
      refused: 0,
      refusedFail: false,
      complete: true,
      certificates: [],
    });
    const rules = { keyTypes: ['RSA2048'], strictRenewal: true };
    const text = 'ECCPRIME256V1 keys are not allowed; use RSA2048.';
    const seen = await preview(rules);
    expect(seen).toMatchObject({ renewals: 4, refused: 3, refusedFail: true, complete: true });
    expect(seen.certificates).toEqual(fleet.map((one) => ({ id: one.id, name: one.name, text })));
    expect(await preview({ keyTypes: ['RSA2048'] })).toMatchObject({ refused: 3, refusedFail: false });
    expect((await program.ok('GET', `/profiles/${id}`)).version).toBe(1);

    await program.ok('PUT', `/profiles/${id}`, { ...profile, rules });
    for (const one of fleet) {
      const { status, body } = await program.call('POST', `/certificates/${one.id}/reissue`);
      expect([status, body.detail]).toEqual([400, expect.stringContaining(text)]);
    }
    await program.ok('POST', `/certificates/${fits.id}/reissue`);
    expect((await program.call('POST', '/profiles/999999/preview', { rules })).status).toBe(404);
  });
});
