import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AddressInfo } from 'node:net';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

const minuteMs = 60_000;
const folder = mkdtempSync(join(tmpdir(), 'deployment-'));
let program: TestProgram;
/** Serves what it has last loaded from the folder of a destination, like a web server. */
let server: Server;
let port: number;

beforeAll(async () => {
  server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  program = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
});
afterAll(async () => {
  await program.stop();
  server.close();
  rmSync(folder, { recursive: true });
});

const at = (label: string, name: string): string => readFileSync(join(folder, label, name), 'utf8');
/** The server loads what is delivered for `commonName`. */
const reload = (label: string, commonName: string): void =>
  server.setSecureContext({
    cert: at(label, `${commonName}/fullchain.pem`),
    key: at(label, `${commonName}/privkey.pem`),
  });
const destination = (label: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/destinations', {
    label,
    plugin: { id: 'filesystem', options: { path: join(folder, label) } },
    verifyAt: [`127.0.0.1:${port}`],
    ...more,
  });
const issue = (commonName: string, label: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName,
    authority: { name: 'root' },
    destinations: [{ label }],
    ...more,
  });
const deliveryOf = async ({ id }: Json): Promise<Json> =>
  (await program.ok('GET', `/certificates/${id}/deliveries`)).items[0];
const stateOf = async ({ id }: Json): Promise<string> =>
  (await program.database.source.query('select state from certificate where id = $1', [id]))[0].state;
const inState = (certificate: Json, expected: object): Promise<Json> =>
  eventually(async () => {
    const delivery = await deliveryOf(certificate);
    return Object.entries(expected).every(([name, value]) => delivery[name] === value) && delivery;
  });
const check = async (certificate: Json): Promise<void> => {
  // The first check to end may have begun before this was called.
  for (let times = 0; times < 2; times += 1) {
    const before = await deliveryOf(certificate);
    // Answers show whole seconds: the check is shown as later.
    program.clock.advance(1000);
    await program.ok('POST', `/deliveries/${before.id}/check`);
    await eventually(async () => (await deliveryOf(certificate)).checkedAt !== before.checkedAt);
  }
};
const actionsOf = async ({ id }: Json): Promise<string[]> =>
  (await program.database.source.query(`select action from audit_event where target_id = $1 order by id`, [id])).map(
    ({ action }: { action: string }) => action,
  );

describe('a delivery to a destination with the address of its server', () => {
  it('is complete when it is served, and then supersedes its predecessor (2: NPM#3803, 11: certd#408)', async () => {
    await destination('web');
    const old = await issue('www.example.com', 'web');
    await inState(old, { state: 'delivered', verification: 'pending' });
    reload('web', 'www.example.com');
    await inState(old, { verification: 'verified' });
    const fresh = await program.ok('POST', `/certificates/${old.id}/reissue`, {});
    const waiting = await inState(fresh, { state: 'delivered', verification: 'pending' });
    expect(waiting.verificationDetail).toBe(
      `www.example.com at 127.0.0.1, port ${port}: the certificate with serial number ` +
        `${BigInt(old.serial).toString(16)} is served.`,
    );
    expect(await stateOf(old)).toBe('issued');
    reload('web', 'www.example.com');
    await inState(fresh, { verification: 'verified' });
    await eventually(async () => (await stateOf(old)) === 'superseded');
    expect(await deliveryOf(old)).toMatchObject({ state: 'replaced', verification: null });
  });

  it('is not complete while the server leaves out an issuer of the chain (11: certd#408)', async () => {
    await program.ok('POST', '/authorities', {
      name: 'sub',
      owner: 'pki@example.com',
      commonName: 'Sub',
      type: 'subca',
      parent: { name: 'root' },
    });
    await destination('chain');
    const below = await issue('chain.example.com', 'chain', { authority: { name: 'sub' } });
    await inState(below, { state: 'delivered' });
    server.setSecureContext({
      cert: at('chain', 'chain.example.com/cert.pem'),
      key: at('chain', 'chain.example.com/privkey.pem'),
    });
    await check(below);
    expect(await deliveryOf(below)).toMatchObject({
      verification: 'pending',
      verificationDetail: expect.stringContaining('the chain lacks'),
    });
    reload('chain', 'chain.example.com');
    await inState(below, { verification: 'verified' });
  });

  it.each([
    ['for 90 days', 'rolled', 90 * dayMs],
    ['for six hours', 'rolled-short', dayMs / 4],
  ])('that is valid %s is rolled back when it is not served in time, and the owner is told', async (_, label, ms) => {
    await destination(label);
    const now = program.clock.now().getTime();
    const [validityStart, validityEnd] = [now, now + ms].map((at) => new Date(at).toISOString());
    const commonName = `${label}.example.com`;
    const old = await issue(commonName, label, { validityStart, validityEnd });
    await inState(old, { state: 'delivered' });
    reload(label, commonName);
    await inState(old, { verification: 'verified' });
    const fresh = await program.ok('POST', `/certificates/${old.id}/reissue`, {});
    await inState(fresh, { state: 'delivered', verification: 'pending' });
    program.clock.advance(11 * minuteMs);
    const failed = await inState(fresh, { state: 'rolled-back' });
    expect(failed).toMatchObject({ fault: 'unverified', detail: expect.stringContaining('is served.') });
    await inState(old, { state: 'delivered', verification: 'verified' });
    expect(at(label, `${commonName}/cert.pem`).trim()).toBe(old.body.trim());
    expect(await stateOf(old)).toBe('issued');
    await eventually(async () =>
      (await program.ok('GET', '/mails')).items.some(({ subject }: Json) =>
        subject.includes(`rolled back at ${label}`),
      ),
    );
    // A person has mended the server.
    await program.ok('POST', `/deliveries/${failed.id}/retry`);
    await inState(fresh, { state: 'delivered' });
    reload(label, commonName);
    await inState(fresh, { verification: 'verified' });
    await eventually(async () => (await stateOf(old)) === 'superseded');
  });

  it('stays when nothing valid was there before, is told, and is complete as soon as it is served', async () => {
    await destination('first');
    const only = await issue('first.example.com', 'first');
    await inState(only, { state: 'delivered', verification: 'pending' });
    program.clock.advance(11 * minuteMs);
    await inState(only, { state: 'delivered', verification: 'differs' });
    reload('first', 'first.example.com');
    await check(only);
    expect(await deliveryOf(only)).toMatchObject({ verification: 'verified' });
  });

  it('asks for a name of the certificate, and says so when there are wildcards alone (15: certmate#381)', async () => {
    await destination('wild');
    const wild = await issue('*.example.com', 'wild');
    const delivery = await inState(wild, { verification: 'not-verifiable' });
    expect(delivery).toMatchObject({ state: 'delivered', verificationDetail: expect.stringContaining('verifyName') });
    // Another setting of the destination may tell what nobody could tell before.
    reload('wild', '_wildcard.example.com');
    const changed = await program.ok('GET', '/destinations?filter=label;wild').then(({ items }: Json) => items[0]);
    await program.ok('PUT', `/destinations/${changed.id}`, {
      label: 'wild',
      plugin: { id: 'filesystem', options: { path: join(folder, 'wild') } },
      verifyName: 'other.example.com',
    });
    await inState(wild, { verification: 'verified' });
    await destination('wild-named', { verifyName: 'probe.example.com' });
    const named = await issue('*.example.com', 'wild-named');
    await inState(named, { state: 'delivered' });
    reload('wild-named', '_wildcard.example.com');
    await inState(named, { verification: 'verified' });
  });

  it('is judged by every address of a name, and a server that does not answer is no success', async () => {
    await destination('down', { verifyAt: [`127.0.0.1:${port}`, '127.0.0.1:1'] });
    const certificate = await issue('down.example.com', 'down');
    await inState(certificate, { state: 'delivered' });
    reload('down', 'down.example.com');
    await check(certificate);
    expect(await deliveryOf(certificate)).toMatchObject({
      verification: 'pending',
      verificationDetail: expect.stringContaining('127.0.0.1:1 cannot be reached'),
    });
  });
});

describe('a check that cannot be done', () => {
  it('says so to the person who asked for it, is tried again, and leaves what was known', async () => {
    const { id } = await destination('unchecked', { verifyAt: [] });
    const certificate = await issue('unchecked.example.com', 'unchecked');
    const { id: deliveryId } = await inState(certificate, { verification: 'verified' });
    const usePlugin = (name: string): Promise<unknown> =>
      program.database.source.query('update destination set plugin_id = $2 where id = $1', [id, name]);
    await usePlugin('of-another-version');
    await program.ok('POST', `/deliveries/${deliveryId}/check`);
    const failed = await inState(certificate, { attempts: 1, state: 'delivered', verification: 'verified' });
    expect([failed.fault, failed.detail]).toEqual([expect.any(String), expect.stringMatching(/of-another-version/)]);
    expect(await actionsOf(certificate)).toContain('delivery.unchecked');
    await usePlugin('filesystem');
    await check(certificate);
    expect(await deliveryOf(certificate)).toMatchObject({ attempts: 0, fault: null, verification: 'verified' });
  });
});

describe('what is no longer what was delivered', () => {
  it('is found by a check on demand and by the next one that is due, and told (15: certmate#381)', async () => {
    await destination('drift', { verifyAt: [] });
    const certificate = await issue('drift.example.com', 'drift');
    await inState(certificate, { verification: 'verified' });
    writeFileSync(join(folder, 'drift', 'drift.example.com', 'cert.pem'), 'edited by hand');
    await check(certificate);
    expect(await deliveryOf(certificate)).toMatchObject({
      state: 'delivered',
      verification: 'differs',
      verificationDetail: expect.stringContaining('has other content'),
    });
    await eventually(async () =>
      (await program.ok('GET', '/mails')).items.some(({ subject }: Json) => subject.includes('not in use at drift')),
    );
    await program.ok('POST', `/certificates/${certificate.id}/redeploy`);
    await inState(certificate, { verification: 'verified' });
    rmSync(join(folder, 'drift', 'drift.example.com', 'cert.pem'));
    program.clock.advance(dayMs);
    await inState(certificate, { verification: 'differs' });
    await program.ok('POST', `/certificates/${certificate.id}/redeploy`);
    await inState(certificate, { verification: 'verified' });
    chmodSync(join(folder, 'drift', 'drift.example.com', 'privkey.pem'), 0o644);
    await check(certificate);
    expect(await deliveryOf(certificate)).toMatchObject({
      verification: 'differs',
      verificationDetail: expect.stringMatching(/privkey\.pem has the mode 0644 instead of 0600\.$/),
    });
  });

  it('is delivered again by itself where the destination says so', async () => {
    await destination('again', { verifyAt: [], repush: true });
    const certificate = await issue('again.example.com', 'again');
    await inState(certificate, { verification: 'verified' });
    rmSync(join(folder, 'again', 'again.example.com', 'cert.pem'));
    await program.ok('POST', `/deliveries/${(await deliveryOf(certificate)).id}/check`);
    await eventually(async () => (await actionsOf(certificate)).includes('delivery.drifted'));
    await inState(certificate, { verification: 'verified' });
    expect(at('again', 'again.example.com/cert.pem').trim()).toBe(certificate.body.trim());
  });

  it('is delivered again when the destination says so later', async () => {
    const { id, plugin } = await destination('later', { verifyAt: [] });
    const certificate = await issue('later.example.com', 'later');
    await inState(certificate, { verification: 'verified' });
    rmSync(join(folder, 'later', 'later.example.com', 'cert.pem'));
    await check(certificate);
    expect(await deliveryOf(certificate)).toMatchObject({ state: 'delivered', verification: 'differs' });
    await program.ok('PUT', `/destinations/${id}`, { label: 'later', plugin, repush: true });
    await inState(certificate, { verification: 'verified' });
    expect(at('later', 'later.example.com/cert.pem').trim()).toBe(certificate.body.trim());
  });

  it('is not delivered again once it has expired', async () => {
    await destination('late', { verifyAt: [], repush: true });
    const certificate = await issue('late.example.com', 'late');
    await inState(certificate, { verification: 'verified' });
    const file = join(folder, 'late', 'late.example.com', 'cert.pem');
    writeFileSync(file, 'a certificate of somebody else');
    await program.database.source.query(
      `update certificate set not_before = now() - interval '2 days', not_after = now() - interval '1 day'
       where id = $1`,
      [certificate.id],
    );
    await check(certificate);
    expect(await deliveryOf(certificate)).toMatchObject({ state: 'delivered', verification: 'differs' });
    expect(at('late', 'late.example.com/cert.pem')).toBe('a certificate of somebody else');
    expect(await actionsOf(certificate)).not.toContain('delivery.drifted');
  });
});

describe('the handle of a line of certificates', () => {
  const pem = 'application/pem-certificate-chain';
  const current = (name: string, headers: Record<string, string> = {}) =>
    program.call('GET', `/certificates/current/${name}`, undefined, { headers });

  it('leads from the name of any member to the newest that is valid, as JSON and as PEM', async () => {
    const request = { owner: 'joe@example.com', commonName: 'line.example.com', authority: { name: 'root' } };
    const first = await program.ok('POST', '/certificates', request);
    expect((await current(first.name)).body.id).toBe(first.id);
    const second = await program.ok('POST', `/certificates/${first.id}/reissue`, {});
    for (const { name } of [first, second]) expect((await current(name)).body.id).toBe(second.id);
    await program.ok('PUT', `/certificates/${second.id}/revoke`, {});
    expect((await current(second.name)).body.id).toBe(first.id);
    const { body, headers } = await current(first.name, { accept: pem });
    expect([body, headers.get('content-type')]).toEqual([
      first.body + first.chain,
      expect.stringMatching(new RegExp(`^${pem}`)),
    ]);
    expect((await current('nobody')).status).toBe(404);
  });

  it('answers 304 to who has it, until the line has a newer one', async () => {
    const request = { owner: 'joe@example.com', commonName: 'tag.example.com', authority: { name: 'root' } };
    const first = await program.ok('POST', '/certificates', request);
    const etags: Record<string, string> = {};
    for (const accept of [pem, 'application/json']) {
      const etag = (await current(first.name, { accept })).headers.get('etag') ?? '';
      etags[accept] = etag;
      expect((await current(first.name, { accept, 'if-none-match': etag })).status).toBe(304);
    }
    await program.ok('POST', `/certificates/${first.id}/reissue`, {});
    for (const [accept, etag] of Object.entries(etags))
      expect((await current(first.name, { accept, 'if-none-match': etag })).status).toBe(200);
  });

  it('leads to the certificate that replaces the others, whatever its dates are', async () => {
    const request = { owner: 'joe@example.com', commonName: 'dates.example.com', authority: { name: 'root' } };
    const first = await program.ok('POST', '/certificates', request);
    const early = await program.ok('POST', '/certificates', { ...request, replaces: [{ id: first.id }] });
    // Another CA has backdated it, and both are in use until it is delivered everywhere.
    await program.database.source.query(
      `update certificate set state = 'issued', not_before = not_before - (id - $1::int) * interval '2 days'
       where id in ($1, $2)`,
      [first.id, early.id],
    );
    expect((await current(first.name)).body.id).toBe(early.id);
    await program.ok('PUT', `/certificates/${early.id}/revoke`, {});
    expect((await current(early.name)).body.id).toBe(first.id);
  });

  it('has a new tag for PEM when the chain alone has changed', async () => {
    const request = { owner: 'joe@example.com', commonName: 'chain-tag.example.com', authority: { name: 'root' } };
    const { id, name } = await program.ok('POST', '/certificates', request);
    const etag = (await current(name, { accept: pem })).headers.get('etag') ?? '';
    await program.database.source.query('update certificate set chain_id = null where id = $1', [id]);
    const later = await current(name, { accept: pem, 'if-none-match': etag });
    expect([later.status, later.headers.get('etag')]).toEqual([200, expect.not.stringMatching(etag)]);
  });

  it('remembers when which API key fetched it, with one write an hour', async () => {
    const request = { owner: 'joe@example.com', commonName: 'fetched.example.com', authority: { name: 'root' } };
    const { id, name } = await program.ok('POST', '/certificates', request);
    const key = await program.ok('POST', '/keys', { name: 'edge', ttl: -1 });
    const fetched = async (): Promise<Json> => {
      await program.call('GET', `/certificates/current/${name}`, undefined, { token: key.jwt });
      return (await program.ok('GET', `/certificates/${id}/fetches`)).items;
    };
    await current(name);
    const before = await fetched();
    expect(before).toEqual([{ apiKeyId: key.id, fetchedAt: expect.any(String) }]);
    program.clock.advance(30 * minuteMs);
    expect(await fetched()).toEqual(before);
    program.clock.advance(31 * minuteMs);
    expect(await fetched()).not.toEqual(before);
  });
});
