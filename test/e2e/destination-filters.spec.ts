import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestAuthority } from '../support/bundles.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

const folder = mkdtempSync(join(tmpdir(), 'filters-'));
const password = 'Correct-Horse-2!';
const elsewhere = startTestAuthority();
let program: TestProgram;

beforeAll(async () => {
  program = await startProgram();
  for (const name of ['root', 'other'])
    await program.ok('POST', '/authorities', { name, owner: 'pki@example.com', commonName: name });
});
afterAll(async () => {
  await program.stop();
  elsewhere.close();
  rmSync(folder, { recursive: true });
});

const destination = async (label: string): Promise<Json> =>
  program.ok('POST', '/destinations', {
    label,
    plugin: { id: 'filesystem', options: { path: join(folder, label) } },
  });
const filtered = async (label: string, filter: object): Promise<Json> => {
  const made = await destination(label);
  await program.ok('PUT', `/destinations/${made.id}/filter`, filter);
  return made;
};
const issue = (commonName: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName,
    authority: { name: 'root' },
    ...more,
  });
const deliveriesOf = async ({ id }: Json): Promise<Json[]> =>
  (await program.ok('GET', `/certificates/${id}/deliveries`)).items;
const delivered = (certificate: Json, { id }: Json): Promise<Json> =>
  eventually(async () =>
    (await deliveriesOf(certificate)).find((d) => d.destinationId === id && d.state === 'delivered'),
  );
const joiningAt = async ({ id }: Json, filter: object): Promise<string[]> => {
  const { joining } = await program.ok('PUT', `/destinations/${id}/filter`, { ...filter, dryRun: true });
  expect(joining.count).toBe(joining.certificates.length);
  return joining.certificates.map(({ name }: Json) => name);
};
/** Every job about joining that was written before has been done. */
const settled = (): Promise<unknown> =>
  eventually(async () => {
    const [{ open }] = await program.database.source.query(
      `select count(*)::int as open from outbox
       where job in ('certificate.join', 'destination.join') and state = 'due' and run_at <= now()`,
    );
    return open === 0;
  });
const actionsOf = async ({ id }: Json): Promise<string[]> =>
  (
    await program.database.source.query(
      `select action from audit_event where target_type = 'certificate' and target_id = $1 order by id`,
      [id],
    )
  ).map(({ action }: { action: string }) => action);

describe('a destination with a filter', () => {
  it.each([
    ['owner', { owner: 'Web@example.com' }, { owner: 'web@example.com' }],
    ['authority', { authority: { name: 'other' } }, { authority: { name: 'other' } }],
    ['name', { name: '*.SHOP.example.com' }, { commonName: 'x.example.com', extensions: names('a.shop.example.com') }],
    ['label', { label: 'Edge' }, { labels: ['edge'] }],
  ])('gets each certificate that is issued with this %s, and no other', async (kind, filter, matching) => {
    const place = await filtered(`by-${kind}`, filter);
    const one = await issue(`${kind}-1.example.com`, matching);
    const other = await issue(`${kind}-2.example.com`, { owner: 'nobody@example.com' });
    expect(await delivered(one, place)).toMatchObject({ matches: true });
    await settled();
    expect(await deliveriesOf(other)).toEqual([]);
    expect(await actionsOf(one)).toContain('delivery.joined');
    await program.ok('DELETE', `/destinations/${place.id}/filter`);
  });

  it('must match everything that the filter names, and a filter of nothing is refused', async () => {
    const place = await filtered('all-of', { owner: 'all@example.com', label: 'both' });
    const half = await issue('half.example.com', { owner: 'all@example.com' });
    const whole = await issue('whole.example.com', { owner: 'all@example.com', labels: ['both'] });
    await delivered(whole, place);
    await settled();
    expect(await deliveriesOf(half)).toEqual([]);
    for (const filter of [{}, { imported: true }, { name: '*' }, { owner: '' }, { label: 'x', more: 1 }]) {
      const { status } = await program.call('PUT', `/destinations/${place.id}/filter`, filter);
      expect([filter, status]).toEqual([filter, 400]);
    }
  });

  it('shows which certificates would join, changes nothing in a dry run, and then has them join', async () => {
    const [old, , expired, replaced] = [
      await issue('dry-1.example.com', { labels: ['dry'] }),
      await issue('dry-2.example.com', { labels: ['wet'] }),
      await issue('dry-3.example.com', { labels: ['dry'] }),
      await issue('dry-4.example.com', { labels: ['dry'] }),
    ];
    await program.database.source.query(`update certificate set not_after = $2 where id = $1`, [
      expired.id,
      new Date(program.clock.now().getTime() - dayMs),
    ]);
    const successor = await program.ok('POST', `/certificates/${replaced.id}/reissue`, {});
    const place = await destination('dry');
    expect(await joiningAt(place, { label: 'dry' })).toEqual([old.name, successor.name]);
    expect((await program.call('GET', `/destinations/${place.id}/filter`)).status).toBe(404);
    expect(await deliveriesOf(old)).toEqual([]);
    await program.ok('PUT', `/destinations/${place.id}/filter`, { label: 'dry' });
    for (const one of [old, successor]) await delivered(one, place);
    await settled();
    for (const one of [expired, replaced]) expect(await deliveriesOf(one)).toEqual([]);
    const shown = await program.ok('GET', `/destinations/${place.id}/filter`);
    expect(shown).toMatchObject({
      owner: null,
      label: 'dry',
      active: true,
      setBy: { username: 'admin' },
      joining: { count: 0 },
    });
  });

  it('gets a certificate that is changed so that it matches, and keeps it when it no longer does', async () => {
    const place = await filtered('changed', { label: 'late' });
    const one = await issue('late.example.com');
    await settled();
    expect(await deliveriesOf(one)).toEqual([]);
    await program.ok('PUT', `/certificates/${one.id}`, { labels: ['late'] });
    expect(await delivered(one, place)).toMatchObject({ matches: true });
    await program.ok('PUT', `/certificates/${one.id}`, { labels: ['gone'] });
    await settled();
    expect(await deliveriesOf(one)).toMatchObject([{ state: 'delivered', matches: false }]);
    await program.ok('DELETE', `/destinations/${place.id}/filter`);
    expect(await deliveriesOf(one)).toMatchObject([{ state: 'delivered', matches: null }]);
  });

  it('gets the successor in place of its predecessor, once', async () => {
    const place = await filtered('renewed', { owner: 'renewed@example.com' });
    const old = await issue('renewed.example.com', { owner: 'renewed@example.com' });
    await delivered(old, place);
    const fresh = await program.ok('POST', `/certificates/${old.id}/reissue`, {});
    await delivered(fresh, place);
    await settled();
    expect(await deliveriesOf(fresh)).toHaveLength(1);
    expect(await deliveriesOf(old)).toMatchObject([{ state: 'replaced' }]);
  });

  it('does not get again what a person took off it, nor the successor of that', async () => {
    const place = await filtered('taken-off', { owner: 'off@example.com' });
    const one = await issue('off.example.com', { owner: 'off@example.com' });
    await delivered(one, place);
    await program.ok('PUT', `/certificates/${one.id}`, { destinations: [] });
    await eventually(async () => (await deliveriesOf(one))[0].state === 'removed');
    expect(existsSync(join(folder, 'taken-off', 'off.example.com', 'cert.pem'))).toBe(false);
    await program.ok('PUT', `/certificates/${one.id}`, { labels: ['again'] });
    const fresh = await program.ok('POST', `/certificates/${one.id}/reissue`, {});
    await settled();
    expect(await deliveriesOf(one)).toHaveLength(1);
    expect(await deliveriesOf(fresh)).toEqual([]);
  });

  it('gets imported certificates only where the filter says so, and none without its private key', async () => {
    const place = await filtered('imported', { owner: 'import@example.com' });
    const { chainPem, privateKeyPem: privateKey } = elsewhere.issue('imported.example.com');
    const body = { owner: 'import@example.com', body: chainPem[0], chain: chainPem.slice(1).join('') };
    const imported = await program.ok('POST', '/certificates/upload', { ...body, privateKey });
    const other = elsewhere.issue('keyless.example.com');
    const keyless = await program.ok('POST', '/certificates/upload', { ...body, body: other.chainPem[0] });
    const own = await issue('own.example.com', { owner: 'import@example.com' });
    await delivered(own, place);
    await settled();
    expect(await deliveriesOf(imported)).toEqual([]);
    await program.ok('PUT', `/destinations/${place.id}/filter`, { owner: 'import@example.com', imported: true });
    await delivered(imported, place);
    await settled();
    expect(await deliveriesOf(keyless)).toEqual([]);
  });
});

describe('who sets the filter of a destination', () => {
  it('needs the right to private keys for one that takes them', async () => {
    const place = await destination('scoped');
    const { jwt } = await program.ok('POST', '/keys', { name: 'no-keys', ttl: -1, scopes: ['destination:write'] });
    const path = `/destinations/${place.id}/filter`;
    const answer = await program.call('PUT', path, { label: 'scoped' }, { token: jwt });
    expect([answer.status, answer.body.detail]).toEqual([403, expect.stringContaining('key:read')]);
    const dry = await program.call('PUT', path, { label: 'scoped', dryRun: true }, { token: jwt });
    expect(dry.status).toBe(403);
  });

  it('has certificates join with the rights of the moment: a former administrator gets no keys of others', async () => {
    const admin = (await program.ok('GET', '/roles?filter=name;admin')).items[0];
    const account = await program.ok('POST', '/users', {
      username: 'former',
      email: 'former@example.com',
      password,
      roles: [{ id: admin.id }],
    });
    const token = await program.login('former', password);
    const place = await destination('former');
    const set = await program.call('PUT', `/destinations/${place.id}/filter`, { label: 'former' }, { token });
    expect(set.status).toBe(200);
    await delivered(await issue('before.example.com', { labels: ['former'] }), place);
    await program.ok('PUT', `/users/${account.id}`, {
      username: 'former',
      email: 'former@example.com',
      active: true,
      roles: [],
    });
    const of = await issue('after.example.com', { labels: ['former'] });
    await settled();
    expect(await deliveriesOf(of)).toEqual([]);
    await program.ok('PUT', `/users/${account.id}`, {
      username: 'former',
      email: 'former@example.com',
      active: false,
      roles: [{ id: admin.id }],
    });
    const later = await issue('later.example.com', { labels: ['former'] });
    await settled();
    expect(await deliveriesOf(later)).toEqual([]);
    expect(await program.ok('GET', `/destinations/${place.id}/filter`)).toMatchObject({ active: false });
    // Another administrator answers for it from now on.
    await program.ok('PUT', `/destinations/${place.id}/filter`, { label: 'former' });
    for (const one of [of, later]) await delivered(one, place);
  });
});

function names(...values: string[]): object {
  return { subAltNames: { names: values.map((value) => ({ nameType: 'DNSName', value })) } };
}
