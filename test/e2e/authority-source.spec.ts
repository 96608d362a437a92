import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { plugins } from '../../plugins/index.js';
import type { Held, HeldStatus, ListRequest } from '../../src/plugin-api/ca-inventory.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineIssuer } from '../../src/plugin-api/issuer.js';
import { startTestAuthority, type TestAuthority } from '../support/bundles.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const owner = 'pki@example.com';
let ca: TestAuthority;
let program: TestProgram;
const held: (Held & { status?: HeldStatus })[] = [];
const asked: ListRequest[] = [];
const revoked: (string | undefined)[] = [];
let isDown = false;

const listing = defineIssuer({
  id: 'listing-ca',
  title: 'Listing CA',
  description: 'Tells what it holds.',
  options: z.strictObject({}),
  answers: 'later',
  order: () => Promise.reject(new PluginError('refused', 'It issues nothing.')),
  revoke: async ({ externalId }) => void revoked.push(externalId),
  list: async function* (request) {
    asked.push(request);
    for (const one of held) {
      if (isDown) throw new PluginError('unavailable', 'The CA has gone.');
      if (one.kind === 'trouble' || one.status === request.status) yield one;
    }
  },
});
const mute = defineIssuer({
  id: 'mute-ca',
  title: 'Mute CA',
  description: 'Tells nothing.',
  options: z.strictObject({}),
  answers: 'later',
  order: () => Promise.reject(new PluginError('refused', 'It issues nothing.')),
});

beforeAll(async () => {
  ca = startTestAuthority();
  program = await startProgram({}, { plugins: [...plugins, listing, mute] });
  const issuing = ca.issue('first.example.com').chainPem[1] ?? '';
  for (const id of ['listing-ca', 'mute-ca'])
    await program.ok('POST', '/authorities', { name: id, owner, plugin: { id }, chain: issuing + ca.rootPem });
});
afterAll(async () => {
  await program.stop();
  ca.close();
});

function holds(commonName: string, status: HeldStatus = 'valid', leafAlone = false): string {
  const { chainPem, serialHex } = ca.issue(commonName);
  const location = `serial ${serialHex}`;
  held.push({
    kind: 'certificate',
    chainPem: leafAlone ? chainPem.slice(0, 1) : chainPem,
    location,
    externalId: `id ${commonName}`,
    status,
  });
  return location;
}
const source = (label: string, authority: string): Promise<{ status: number; body: Json }> =>
  program.call('POST', '/sources', {
    label,
    owner,
    active: false,
    plugin: { id: 'authority', options: { authority } },
  });
async function synced(id: number): Promise<Json> {
  const { body } = await program.call('POST', `/sources/${id}/sync`);
  return eventually(async () => {
    const { lastSync } = await program.ok('GET', `/sources/${id}`);
    return lastSync?.id === body.id && lastSync.finishedAt !== null ? lastSync : null;
  });
}
const found = async (commonName: string): Promise<Json> =>
  (await program.ok('GET', `/certificates?filter=cn;${encodeURIComponent(`"${commonName}"`)}`)).items[0];

describe('a source for the certificates in the CA of an authority', () => {
  let id: number;

  it('is listed with its options', async () => {
    const offered = await program.ok('GET', '/plugins/authority');
    expect([offered.kind, Object.keys(offered.form.properties)]).toEqual(['source', ['authority', 'pollRate']]);
    expect((await program.ok('GET', '/plugins/listing-ca')).can).toContain('list');
  });

  it('is refused for an unknown authority, and for an issuer that cannot list its certificates', async () => {
    for (const [name, words] of [
      ['nobody', 'There is no authority nobody.'],
      ['mute-ca', 'Mute CA does not tell what its CA holds.'],
    ] as const)
      expect(await source('refused', name)).toMatchObject({
        status: 400,
        body: { reasons: { 'plugin.options': [words] } },
      });
  });

  it('imports valid certificates with the authority, and reports certificates that it cannot read', async () => {
    holds('a.example.com');
    holds('revoked.example.com', 'revoked');
    holds('alone.example.com', 'valid', true);
    held.push({ kind: 'trouble', location: 'serial 66', detail: 'It is too odd.' });
    ({ id } = (await source('ca', 'Listing-CA')).body);
    expect(await program.ok('POST', `/sources/${id}/test`)).toMatchObject({ ok: true });
    expect(await synced(id)).toMatchObject({
      state: 'done',
      certificates: 2,
      imported: 2,
      troubleList: [{ location: 'serial 66', detail: 'It is too odd.' }],
    });
    expect(new Set(asked.map(({ status }) => status))).toEqual(new Set(['valid']));
    for (const name of ['a.example.com', 'alone.example.com'])
      expect(await found(name)).toMatchObject({
        owner,
        lifecycle: 'issued',
        rotation: false,
        externalId: `id ${name}`,
        authority: { name: 'listing-ca' },
      });
    expect(await found('revoked.example.com')).toBeUndefined();
    expect(await synced(id)).toMatchObject({ certificates: 2, imported: 0, gone: 0 });
  });

  it('imports the certificate of another issuer without the authority', async () => {
    const other = startTestAuthority();
    const { chainPem } = other.issue('foreign.example.com');
    other.close();
    held.push({ kind: 'certificate', chainPem, location: 'serial 67', externalId: '67', status: 'valid' });
    expect(await synced(id)).toMatchObject({ imported: 1 });
    expect(await found('foreign.example.com')).toMatchObject({ authority: null });
  });

  it('lets an imported certificate be revoked at the CA under the id that the CA gave', async () => {
    const { id: certificateId } = await found('alone.example.com');
    await program.ok('PUT', `/certificates/${certificateId}/revoke`, {});
    await eventually(async () => revoked.length > 0);
    expect(revoked).toEqual(['id alone.example.com']);
  });

  it('reports no certificate as gone when the CA fails during a scan', async () => {
    isDown = true;
    expect(await synced(id)).toMatchObject({ state: 'failed', fault: 'unavailable', gone: 0 });
    isDown = false;
    expect(await synced(id)).toMatchObject({ state: 'done', gone: 0 });
    held.shift();
    expect(await synced(id)).toMatchObject({ state: 'done', gone: 0 });
    expect(await synced(id)).toMatchObject({ state: 'done', gone: 1 });
    expect(await found('a.example.com')).toMatchObject({ lifecycle: 'issued' });
  });
});
