import { rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import type { Json } from '../support/json.js';

const password = 'Correct-Horse-2!';
let program: TestProgram;
let bob = '';
let number = 0;
beforeAll(async () => {
  program = await startProgram({ ALLOW_CERT_DELETION: 'true' });
  const { ok } = program;
  await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
  await ok('POST', '/users', { username: 'bob', email: 'bob@example.com', password, roles: [] });
  bob = await program.login('bob', password);
});
afterAll(() => program.stop());

const issue = (more: object = {}) =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName: `v${++number}.example.com`,
    authority: { name: 'root' },
    validityDays: 90,
    ...more,
  });
const get = (id: number) => program.ok('GET', `/certificates/${id}`);
const place = async (label: string): Promise<{ id: number; path: string }> => {
  const path = `${program.dataDir}-${label}`;
  const { id } = await program.ok('POST', '/destinations', { label, plugin: { id: 'filesystem', options: { path } } });
  return { id, path };
};
const deliveries = async (id: number): Promise<Json[]> =>
  (await program.ok('GET', `/certificates/${id}/deliveries`)).items;
const allAre = (id: number, state: string) =>
  eventually(async () => (await deliveries(id)).every((delivery) => delivery.state === state));
/** Rows that a renewal adds to; the sweeps of the program enqueue jobs of other kinds at any moment. */
const counts = async (): Promise<unknown> =>
  (
    await program.database.source.query(
      `select (select count(*) from certificate) c, (select count(*) from delivery) d, (select count(*) from notice) n,
         (select count(*) from audit_event where target_type <> 'authority') a,
         (select count(*) from outbox where job ~ '^(certificate|notice)[.]') o`,
    )
  )[0];

describe('a dry run', () => {
  it('of a rotation or reissue reports what the real one then does, and changes nothing', async () => {
    const { id: placeId, path } = await place('dry');
    const old = await issue({ destinations: [{ id: placeId }], rotation: true });
    await allAre(old.id, 'delivered');
    const before = await counts();
    const [rotation, reissue] = await program.clock.stopped(async () => [
      await program.ok('POST', `/certificates/${old.id}/rotate`, { dryRun: true }),
      await program.ok('POST', `/certificates/${old.id}/reissue`, { dryRun: true }),
    ]);
    expect(reissue).toEqual(rotation);
    expect(await counts()).toEqual(before);
    expect(rotation).toMatchObject({
      dryRun: true,
      action: 'reissue',
      certificate: { id: old.id },
      supersedes: [{ id: old.id, name: old.name }],
      tells: 'joe@example.com',
      successor: { id: null, name: old.name, authority: 'root', keyType: old.keyType, names: [old.cn] },
      destinations: [{ destinationId: placeId, label: 'dry', location: `${path}/${old.cn}`, state: null }],
    });
    const done = await program.ok('POST', `/certificates/${old.id}/rotate`);
    const fresh = await get(done.successor.id);
    expect(done).toMatchObject({
      dryRun: false,
      action: 'reissue',
      successor: { notAfter: fresh.notAfter },
      destinations: [{ destinationId: placeId }],
    });
    expect(fresh).toMatchObject({ name: `${old.name}-${fresh.serialHex}`, keyType: old.keyType, cn: old.cn });
    expect(Math.abs(Date.parse(fresh.notAfter) - Date.parse(rotation.successor.notAfter))).toBeLessThan(60_000);
    await eventually(async () => (await get(old.id)).lifecycle === 'superseded');
    expect(await program.ok('POST', `/certificates/${old.id}/rotate`)).toMatchObject({
      action: 'none',
      text: 'A successor has taken its place.',
      supersedes: [],
    });
  });

  it('is refused when the real request would be', async () => {
    const { id } = await issue();
    expect((await program.call('POST', `/certificates/${id}/rotate`, { dryRun: true }, { token: bob })).status).toBe(
      403,
    );
    expect((await program.call('POST', `/certificates/${id}/reissue`, { dryRun: true }, { token: bob })).status).toBe(
      403,
    );
    await program.ok('PUT', '/authorities/1', { owner: 'pki@example.com', active: false });
    expect((await program.call('POST', `/certificates/${id}/rotate`, { dryRun: true })).body).toMatchObject({
      status: 409,
      detail: 'Authority root is not active.',
    });
    await program.ok('PUT', '/authorities/1', { owner: 'pki@example.com', active: true });
    await program.ok('PUT', `/certificates/${id}/revoke`, {});
    expect((await program.call('POST', `/certificates/${id}/rotate`, { dryRun: true })).status).toBe(409);
  });
});

describe('a rotation', () => {
  it('continues a renewal whose delivery failed when it is requested again', async () => {
    const { id: placeId, path } = await place('half');
    const old = await issue({ destinations: [{ id: placeId }] });
    await allAre(old.id, 'delivered');
    rmSync(path, { recursive: true });
    writeFileSync(path, 'in the way');
    const { successor } = await program.ok('POST', `/certificates/${old.id}/rotate`);
    await allAre(successor.id, 'failing');
    expect(await program.ok('GET', `/certificates/${old.id}/plan`)).toMatchObject({
      willRenew: false,
      reason: 'renewal-under-way',
      successor: { id: successor.id, lifecycle: 'issued' },
      authority: { name: 'root', active: true },
      policy: { name: 'default' },
      destinations: [{ label: 'half', state: 'failing' }],
    });
    rmSync(path);
    expect(await program.ok('POST', `/certificates/${old.id}/rotate`)).toMatchObject({
      action: 'redeploy',
      successor: { id: successor.id },
    });
    await eventually(async () => (await get(old.id)).lifecycle === 'superseded');
  });

  it('tells the owner unless notify is false', async () => {
    const [told, silent] = [await issue(), await issue()];
    await program.ok('POST', `/certificates/${silent.id}/reissue`, { notify: false });
    await program.ok('POST', `/certificates/${told.id}/reissue`);
    const mails = await eventually(async () => {
      const { items } = await program.ok('GET', '/mails?count=200');
      return items.some(({ subject }: { subject: string }) => subject.startsWith(`${told.cn}: renewed`)) && items;
    });
    expect(mails.filter(({ subject }: { subject: string }) => subject.startsWith(`${silent.cn}:`))).toEqual([]);
  });
});

describe('a change of a policy', () => {
  it('plans every certificate of the policy again, in batches', async () => {
    const policy = await program.ok('POST', '/policies', { name: 'many', days: 10, spreadHours: 0 });
    const { id } = await issue({ rotationPolicy: { name: 'many' } });
    const { source } = program.database;
    await source.query(
      `
      insert into certificate (state, name, owner, authority_id, common_name, distinguished_name, body_der, secret_id,
        issuer, issuer_sha256, serial_hex, sha256, spki_sha256,
        key_type, bits, not_before, not_after, san_count, terms, notify, rotation, rotation_policy_id, created_at)
      select state, 'many-' || n, owner, authority_id, common_name, distinguished_name, body_der, gen_random_uuid(),
        issuer, issuer_sha256, 'F' || n, 'many' || n, spki_sha256,
        key_type, bits, not_before, not_after, san_count, terms, false, true, rotation_policy_id, created_at
        from certificate, generate_series(1, 2100) n where id = $1`,
      [id],
    );
    await program.ok('PUT', `/policies/${policy.id}`, { name: 'many', days: 20, spreadHours: 0 });
    await eventually(async () => {
      const [{ done }] = await source.query(
        `select count(*)::int as done from certificate where rotation_policy_id = $1
          and next_renewal_at = not_after - interval '20 days'`,
        [policy.id],
      );
      return done === 2101;
    });
    const [{ runs }] = await source.query(`select count(*)::int as runs from job_run where job = 'rotation.replan'`);
    expect(runs).toBeGreaterThanOrEqual(3);
    await source.query(`delete from certificate where name like 'many-%'`);
  });
});

describe('deliveries', () => {
  it('are repeated for all destinations of a certificate by users with the right', async () => {
    const { id: placeId, path } = await place('again');
    const { id, cn } = await issue({ destinations: [{ id: placeId }] });
    await allAre(id, 'delivered');
    rmSync(path, { recursive: true });
    expect((await program.call('POST', `/certificates/${id}/redeploy`, undefined, { token: bob })).status).toBe(403);
    const page = await program.ok('POST', `/certificates/${id}/redeploy`);
    expect(page.items).toMatchObject([{ destinationId: placeId, location: `${path}/${cn}` }]);
    await eventually(async () => {
      const [one] = await deliveries(id);
      return one.state === 'delivered' && one.deliveredAt >= page.items[0].deliveredAt;
    });
    expect((await program.call('POST', `/certificates/${(await issue()).id}/redeploy`)).status).toBe(409);
  });
});

describe('a history', () => {
  it('has every action and result of a certificate and its line of successors, and no secrets', async () => {
    const { id: placeId } = await place('told');
    const first = await issue({ destinations: [{ id: placeId }] });
    await allAre(first.id, 'delivered');
    const { key } = await program.ok('GET', `/certificates/${first.id}/key`);
    await program.ok('POST', `/deliveries/${(await deliveries(first.id))[0].id}/retry`);
    await allAre(first.id, 'delivered');
    const second = await program.ok('POST', `/certificates/${first.id}/reissue`);
    await eventually(async () => (await get(first.id)).lifecycle === 'superseded');
    const third = await program.ok('POST', `/certificates/${second.id}/reissue`);
    await eventually(async () => (await get(second.id)).lifecycle === 'superseded');
    await program.ok('PUT', `/certificates/${third.id}`, { destinations: [] });
    await allAre(third.id, 'removed');
    const history = (id: number, query = '?count=200') => program.ok('GET', `/certificates/${id}/history${query}`);
    const actions = async (id: number): Promise<string[]> =>
      (await history(id)).items.map((event: { action: string }) => event.action).reverse();
    expect(await actions(first.id)).toEqual([
      'certificate.issued',
      'key.delivered',
      'delivery.arrived',
      'key.viewed',
      'delivery.retried',
      'key.delivered',
      'delivery.arrived',
      'certificate.superseded',
    ]);
    expect(await actions(third.id)).toEqual([
      'certificate.issued',
      'key.delivered',
      'delivery.arrived',
      'certificate.updated',
      'delivery.removed',
    ]);
    const told = await history(second.id);
    expect(told.line.map((one: { id: number }) => one.id)).toEqual([first.id, second.id, third.id]);
    expect(told.line).toMatchObject([
      { lifecycle: 'superseded' },
      { renewsId: first.id, lifecycle: 'superseded' },
      { renewsId: second.id, lifecycle: 'issued' },
    ]);
    expect(told.items[0]).toMatchObject({
      action: 'certificate.superseded',
      lifecycle: 'superseded',
      user: { id: null, username: 'system' },
      after: { successorId: third.id },
    });
    expect(JSON.stringify([told, await history(first.id)])).not.toContain(key.split('\n')[1]);
    const newest = await history(first.id, '?count=3');
    const rest = await history(first.id, `?count=10&after=${newest.next}`);
    expect([...newest.items, ...rest.items]).toEqual((await history(first.id)).items);
    expect(rest.next).toBeUndefined();
    expect((await program.call('GET', `/certificates/${first.id}/history`, undefined, { token: bob })).status).toBe(
      200,
    );
    expect((await program.call('GET', '/certificates/99999/history')).status).toBe(404);
  });

  it('has the reason of a failed renewal', async () => {
    const { id } = await issue({ rotation: true });
    await program.ok('PUT', '/authorities/1', { owner: 'pki@example.com', active: false });
    program.clock.advance(61 * 86_400_000);
    const failed = await eventually(async () =>
      (await program.ok('GET', `/certificates/${id}/history`)).items.find(
        (event: { action: string }) => event.action === 'certificate.renewal-failed',
      ),
    );
    expect(failed.after).toMatchObject({ attempts: 1, detail: 'Authority root is not active.' });
    await program.ok('PUT', '/authorities/1', { owner: 'pki@example.com', active: true });
  });
});
