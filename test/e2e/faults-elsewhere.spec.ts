import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/platform/log.js';
import { startTestAuthority, type TestAuthority } from '../support/bundles.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs, inDays } from '../support/requests.js';

// Faults of other certificate managers, by the numbers of `test/faults-elsewhere.spec.ts`.

const zone = process.env.TZ;
const folder = mkdtempSync(join(tmpdir(), 'elsewhere-'));
const logged: string[] = [];
let foreign: TestAuthority;
let program: TestProgram;
beforeAll(async () => {
  // Fourteen hours ahead of UTC: what forgets the zone is wrong by more than half a day.
  process.env.TZ = 'Pacific/Kiritimati';
  foreign = startTestAuthority();
  const log = createLog('debug', { write: (line) => void logged.push(line) });
  program = await startProgram({ LOG_LEVEL: 'debug' }, { log });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  await program.ok('POST', '/destinations', {
    label: 'web',
    plugin: { id: 'filesystem', options: { path: join(folder, 'web') } },
  });
});
afterAll(async () => {
  await program.stop();
  foreign.close();
  rmSync(folder, { recursive: true, force: true });
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

const issue = (commonName: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', { owner: 'joe@example.com', commonName, authority: { name: 'root' }, ...more });
const get = (id: number): Promise<Json> => program.ok('GET', `/certificates/${id}`);
const named = async (commonName: string): Promise<Json[]> =>
  (await program.ok('GET', `/certificates?filter=cn;"${commonName}"&count=100`)).items;

describe('a certificate that was renewed', () => {
  it('is shown with the same end in every list, at its handle and on disk (1: NPM#792, 12: certd#755)', async () => {
    const old = await issue('one.example.com', { destinations: [{ label: 'web' }], validityDays: 30 });
    await eventually(async () => existsSync(join(folder, 'web', 'one.example.com', 'cert.pem')));
    await program.ok('POST', `/certificates/${old.id}/reissue`);
    const fresh = await eventually(async () => {
      const { lifecycle, replacedBy } = await get(old.id);
      return lifecycle === 'superseded' && (await get(replacedBy[0].id));
    });
    const onDisk = new X509Certificate(readFileSync(join(folder, 'web', 'one.example.com', 'cert.pem')));
    expect(Date.parse(onDisk.validTo)).toBe(Date.parse(fresh.notAfter));
    const listed = await named('one.example.com');
    expect(Object.fromEntries(listed.map(({ id, notAfter }) => [id, notAfter]))).toEqual({
      [old.id]: old.notAfter,
      [fresh.id]: fresh.notAfter,
    });
    expect((await program.ok('GET', `/certificates/current/${old.name}`)).notAfter).toBe(fresh.notAfter);
  });

  it('at a path that a source knows is matched by what it is, not by the path (23: netbox-ssl#180)', async () => {
    const path = join(folder, 'kept');
    mkdirSync(path);
    const source = await program.ok('POST', '/sources', {
      label: 'kept',
      owner: 'joe@example.com',
      active: false,
      plugin: { id: 'filesystem-source', options: { path } },
    });
    const synced = async (): Promise<Json> => {
      const { id } = await program.ok('POST', `/sources/${source.id}/sync`);
      return eventually(async () => {
        const { items } = await program.ok('GET', `/sources/${source.id}/syncs?count=50`);
        const sync = items.find((item: Json) => item.id === id);
        return sync?.finishedAt != null && sync;
      });
    };
    for (let i = 0; i < 2; i += 1) {
      writeFileSync(join(path, 'site.pem'), foreign.issue('kept.test').chainPem.join(''));
      expect(await synced()).toMatchObject({ state: 'done', imported: 1, troubles: 0 });
    }
    await synced();
    const { items } = await program.ok('GET', `/sources/${source.id}/findings?sortBy=id&sortDir=asc`);
    const ids = (await named('kept.test')).map(({ id }) => id).toSorted((a, b) => a - b);
    expect(items.map((one: Json) => [one.certificate.id, one.staleSince])).toEqual([
      [ids[0], expect.any(String)],
      [ids[1], null],
    ]);
  });
});

describe('a private key', () => {
  it('is in no list, no other answer, no mail and no line of the log (3: NPM#5128)', async () => {
    const uploaded = foreign.issue('uploaded.test');
    const bundle = {
      body: uploaded.chainPem[0],
      chain: uploaded.chainPem.slice(1).join(''),
      privateKey: uploaded.privateKeyPem,
    };
    const here = await issue('secret.example.com', { destinations: [{ label: 'web' }] });
    const there = await program.ok('POST', '/certificates/upload', { owner: 'joe@example.com', ...bundle });
    await eventually(async () => existsSync(join(folder, 'web', 'secret.example.com', 'privkey.pem')));
    const keys: string[] = [];
    for (const { id } of [here, there]) keys.push((await program.ok('GET', `/certificates/${id}/key`)).key as string);
    expect(keys[1]?.trim()).toBe(uploaded.privateKeyPem.trim());
    const secrets = keys.flatMap((key) => key.split('\n').filter((line) => line.length === 64));
    expect(secrets.length).toBeGreaterThan(1);
    const paths = [
      '/certificates?count=100&chain=true',
      '/certificates/valid',
      '/logs?count=500',
      '/deliveries',
      '/mails',
    ];
    for (const { id } of [here, there])
      paths.push(...['', '/history', '/plan', '/deliveries'].map((rest) => `/certificates/${id}${rest}`));
    const shown = [...logged];
    for (const path of paths) shown.push(JSON.stringify((await program.call('GET', path)).body));
    expect(logged.length).toBeGreaterThan(10);
    expect(secrets.filter((secret) => shown.some((text) => text.includes(secret)))).toEqual([]);
  });
});

describe('a time', () => {
  it('has its zone in every answer, and means the same in any zone of the program (25: UCM#87)', async () => {
    const end = inDays(40, program.clock.now());
    const { id } = await issue('zone.example.com', { validityEnd: end, rotation: true });
    const shown = await get(id);
    expect(Date.parse(shown.notAfter)).toBe(Math.floor(Date.parse(end) / 1000) * 1000);
    expect(Date.parse(new X509Certificate(shown.body).validTo)).toBe(Date.parse(shown.notAfter));
    const paths = [`/certificates/${id}`, `/certificates/${id}/plan`, `/certificates/${id}/history`, '/logs', '/tasks'];
    for (const path of paths) {
      const text = JSON.stringify(await program.ok('GET', path));
      const times = text.match(/"\d{4}-\d\d-\d\d[T ][^"]*"/g) ?? [];
      expect(times.length, path).toBeGreaterThan(0);
      expect(times.filter((time) => !/(Z|[+-]\d\d:\d\d)"$/.test(time))).toEqual([]);
    }
  });
});

describe('a revocation', () => {
  it('of what is revoked is refused, and of what has expired is done, with words (30: vault#5885)', async () => {
    const [revoked, expired] = [await issue('twice.example.com'), await issue('old.example.com', { validityDays: 5 })];
    const revoke = (id: number) =>
      program.call('PUT', `/certificates/${id}/revoke`, { crlReason: 'superseded', replace: false });
    expect((await revoke(revoked.id)).status).toBe(200);
    const again = await revoke(revoked.id);
    expect([again.status, again.body.detail]).toEqual([409, expect.stringContaining('revoked')]);
    program.clock.advance(6 * dayMs);
    const late = await revoke(expired.id);
    expect([late.status, (await get(expired.id)).lifecycle]).toEqual([200, 'revoked']);
  });
});

describe('what is in use', () => {
  it('is not deleted, and the answer lists what needs it (32: ejbca-ce#991)', async () => {
    const policy = await program.ok('POST', '/policies', { name: 'kept', days: 9 });
    const profile = await program.ok('POST', '/profiles', { name: 'kept', rules: {} });
    const channel = await program.ok('POST', '/channels', {
      label: 'kept',
      plugin: { id: 'email', options: { recipients: 'kept@example.com' } },
    });
    const subscription = await program.ok('POST', '/subscriptions', {
      label: 'kept',
      channel: { label: 'kept' },
      scope: 'all',
      events: ['certificate.expiring'],
    });
    const certificate = await issue('user.example.com', {
      rotationPolicy: { id: policy.id },
      profile: { id: profile.id },
      destinations: [{ label: 'web' }],
    });
    const [destination] = (await program.ok('GET', '/destinations')).items;
    const [authority] = (await program.ok('GET', '/authorities')).items;
    const ids = expect.arrayContaining([String(certificate.id)]);
    for (const [path, kind, users] of [
      [`/policies/${policy.id}`, 'certificate', ids],
      [`/profiles/${profile.id}`, 'certificate', ids],
      [`/destinations/${destination.id}`, 'certificate', ids],
      [`/authorities/${authority.id}`, 'certificate', ids],
      [`/channels/${channel.id}`, 'subscription', [String(subscription.id)]],
    ] as const) {
      const { status, body } = await program.call('DELETE', path);
      expect([path, status, body.type], JSON.stringify(body)).toEqual([path, 409, expect.stringMatching(/in-use$/)]);
      expect(body.reasons[kind], path).toEqual(users);
    }
  });
});
