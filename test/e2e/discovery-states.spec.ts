import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestAuthority, type TestAuthority } from '../support/bundles.js';
import type { Json } from '../support/json.js';
import { freePort } from '../support/own-server.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

const hourMs = dayMs / 24;
const owner = 'web@example.com';
let base: string;
let program: TestProgram;
let authority: TestAuthority;

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'discovery-'));
  authority = startTestAuthority();
  program = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1', NOTICE_DAYS: '30,2' });
  await program.ok('POST', '/authorities', { name: 'ours', owner: 'pki@example.com', commonName: 'Ours' });
});
afterAll(async () => {
  await program.stop();
  authority.close();
  rmSync(base, { recursive: true, force: true });
});

const source = (label: string, plugin: object, more: object = {}): Promise<Json> =>
  program.ok('POST', '/sources', { label, owner, active: false, plugin, ...more });
const syncOf = (id: number, syncId: number): Promise<Json> =>
  eventually(async () => {
    const { items } = await program.ok('GET', `/sources/${id}/syncs?count=50`);
    return items.find((item: Json) => item.id === syncId && item.finishedAt !== null);
  });
const synced = async (id: number): Promise<Json> => syncOf(id, (await program.ok('POST', `/sources/${id}/sync`)).id);
const byName = async (cn: string): Promise<Json> =>
  (await program.ok('GET', `/certificates?filter=cn;${encodeURIComponent(`"${cn}"`)}`)).items[0];
const noticesOf = async (certificateId: number): Promise<Json[]> =>
  (await program.ok('GET', `/notices?event=certificate.still-served&certificateId=${certificateId}&count=50`)).items;

/** A TLS server that shows the certificate that it was given last, and can be stopped and started at its port. */
class Served {
  private server: Server | undefined;
  port = 0;

  async show({ chainPem, privateKeyPem }: { chainPem: readonly string[]; privateKeyPem: string }): Promise<void> {
    await this.stop();
    this.server = createServer({ cert: chainPem.join(''), key: privateKeyPem });
    this.server.on('connection', (socket) => socket.on('error', () => undefined));
    this.port ||= await freePort();
    await once(this.server.listen(this.port, '127.0.0.1'), 'listening');
  }

  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server) await new Promise((done) => server.close(done));
  }
}

/** A certificate of the authority here, with its key, as a server shows it. */
async function issue(
  commonName: string,
  more: object = {},
): Promise<{ certificate: Json; shown: Parameters<Served['show']>[0] }> {
  const request = { owner, commonName, authority: { name: 'ours' }, validityDays: 90, ...more };
  const certificate = await program.ok('POST', '/certificates', request);
  const { key } = await program.ok('GET', `/certificates/${certificate.id}/key`);
  return { certificate, shown: { chainPem: [certificate.body, certificate.chain], privateKeyPem: key } };
}

describe('what two complete scans in a row do not find', () => {
  it('is stale and not deleted, and comes back when it is found; a failed scan counts nothing', async () => {
    const path = join(base, 'stale');
    mkdirSync(path);
    const pem = authority.issue('stale.test').chainPem.join('');
    writeFileSync(join(path, 'a.pem'), pem);
    const { id } = await source('stale', { id: 'filesystem-source', options: { path } });
    await synced(id);
    const { id: certificateId } = await byName('stale.test');
    const place = async (): Promise<Json> =>
      (await program.ok('GET', `/certificates/${certificateId}/sources`)).items[0].locations[0];

    rmSync(join(path, 'a.pem'));
    expect(await synced(id)).toMatchObject({ state: 'done', gone: 0 });
    expect(await place()).toMatchObject({ staleSince: null });
    renameSync(path, `${path}.moved`);
    expect(await synced(id)).toMatchObject({ state: 'failed', gone: 0 });
    expect(await place()).toMatchObject({ staleSince: null });
    renameSync(`${path}.moved`, path);
    expect(await synced(id)).toMatchObject({ state: 'done', gone: 1 });
    expect(await place()).toMatchObject({ location: join(path, 'a.pem'), staleSince: expect.any(String) });
    const { staleSince } = await place();
    expect(await synced(id)).toMatchObject({ gone: 0 });
    expect(await place()).toMatchObject({ staleSince });

    writeFileSync(join(path, 'a.pem'), pem);
    await synced(id);
    expect(await place()).toMatchObject({ staleSince: null });
    rmSync(join(path, 'a.pem'));
    expect(await synced(id)).toMatchObject({ gone: 0 });
    expect(await place()).toMatchObject({ staleSince: null });
  });

  it('is stale too when another certificate is at its location, and is listed with the other findings', async () => {
    const path = join(base, 'replaced');
    mkdirSync(path);
    const write = (name: string): void => writeFileSync(join(path, 'a.pem'), authority.issue(name).chainPem.join(''));
    write('first.test');
    const { id } = await source('replaced', { id: 'filesystem-source', options: { path } });
    await synced(id);
    write('second.test');
    expect(await synced(id)).toMatchObject({ certificates: 1, imported: 1, gone: 0 });
    const list = (query = ''): Promise<Json> => program.ok('GET', `/sources/${id}/findings${query}`);
    expect((await list()).items.map((one: Json) => [one.certificate.cn, one.staleSince])).toEqual([
      ['first.test', null],
      ['second.test', null],
    ]);
    expect(await synced(id)).toMatchObject({ gone: 1 });
    expect(await synced(id)).toMatchObject({ gone: 0 });
    const { items } = await program.ok('GET', '/logs?filter=logType;source.certificates-gone&count=100');
    const first = await byName('first.test');
    expect(items.filter((one: Json) => one.after.certificateIds.includes(first.id))).toHaveLength(1);
    const stale = {
      location: join(path, 'a.pem'),
      owner,
      logged: false,
      endpoints: [],
      staleSince: expect.any(String),
    };
    expect(await list('?stale=true')).toMatchObject({ total: 1, items: [{ ...stale, certificate: { id: first.id } }] });
    const [current] = (await list('?stale=false')).items;
    expect(current).toMatchObject({ sourceId: id, certificate: { cn: 'second.test' }, staleSince: null });
    // Answers have whole seconds.
    expect(Date.parse(current.lastSeenAt)).toBeGreaterThanOrEqual(Date.parse(current.firstSeenAt));
    expect((await list('?filter=name;first')).total).toBe(1);
    expect((await list('?owner=nobody@example.com')).total).toBe(0);
    const { next } = await list('?sortBy=location&sortDir=desc&count=1');
    expect((await list(`?sortBy=location&sortDir=desc&count=1&after=${next}`)).items).toHaveLength(1);
    expect((await program.call('GET', '/sources/999999/findings')).status).toBe(404);
  });

  it('makes the endpoint of a server that does not answer stale, with its finding, until it answers', async () => {
    const served = new Served();
    await served.show(authority.issue('down.test'));
    const name = `127.0.0.1:${served.port}`;
    // The name of the other server, at which nothing listens, is the beginning of the name of this one.
    const hosts = [name, name.slice(0, -1)];
    const { id } = await source('down', { id: 'tls-endpoints', options: { hosts, timeout: 5 } });
    await synced(id);
    const endpoint = async (): Promise<Json> => (await program.ok('GET', `/endpoints?filter=source;${id}`)).items[0];
    expect(await endpoint()).toMatchObject({ detail: null });
    expect(await synced(id)).toMatchObject({ troubles: 1 });
    expect(await endpoint()).toMatchObject({ name, detail: null });
    const { id: certificateId } = await byName('down.test');
    const place = async (): Promise<Json> =>
      (await program.ok('GET', `/certificates/${certificateId}/sources`)).items[0].locations[0];

    await served.stop();
    await synced(id);
    expect(await endpoint()).toMatchObject({ active: true, staleSince: null, detail: expect.any(String) });
    expect((await program.ok('GET', '/endpoints?stale=true')).total).toBe(0);
    await synced(id);
    expect(await endpoint()).toMatchObject({ active: false, staleSince: expect.any(String) });
    expect((await endpoint()).issues.map((one: Json) => one.name)).toEqual(['not seen', 'stale']);
    expect(await place()).toMatchObject({ staleSince: expect.any(String) });
    for (const query of ['stale=true', 'filter=stale;true', 'active=false'])
      expect((await program.ok('GET', `/endpoints?${query}`)).items.map((one: Json) => one.name)).toEqual([name]);
    expect((await program.ok('GET', `/certificates/${certificateId}`)).endpoints).toMatchObject([
      { active: false, staleSince: expect.any(String) },
    ]);

    await served.show(authority.issue('down.test'));
    await synced(id);
    expect(await endpoint()).toMatchObject({ active: true, staleSince: null, issues: [] });
    expect((await program.ok('GET', `/sources/${id}/findings?stale=false`)).items).toMatchObject([
      { location: name, endpoints: [{ name, port: served.port }] },
    ]);
    await served.stop();
  });
});

describe('a certificate that should not be served any more', () => {
  const served = new Served();
  let id: number;
  let old: { certificate: Json; shown: Parameters<Served['show']>[0] };
  beforeAll(async () => {
    old = await issue('served.test');
    await served.show(old.shown);
    id = (await source('served', { id: 'tls-endpoints', options: { hosts: [`127.0.0.1:${served.port}`] } })).id;
    await synced(id);
  });
  afterAll(() => served.stop());

  it('is told of once when it is replaced, an hour later, and its plan says where it is served', async () => {
    const { id: certificateId } = old.certificate;
    await program.ok('POST', `/certificates/${certificateId}/reissue`);
    await eventually(
      async () => (await program.ok('GET', `/certificates/${certificateId}`)).lifecycle === 'superseded',
    );
    await synced(id);
    expect(await noticesOf(certificateId)).toEqual([]);
    program.clock.advance(2 * hourMs);
    await synced(id);
    expect(await noticesOf(certificateId)).toHaveLength(1);
    await synced(id);
    expect(await noticesOf(certificateId)).toHaveLength(1);
    const subject = 'served.test: replaced, and still served';
    const mail = await eventually(async () =>
      (await program.ok('GET', '/mails?count=200')).items.find((one: Json) => one.subject === subject),
    );
    expect(JSON.stringify(mail)).toContain(owner);
    expect((await program.ok('GET', `/certificates/${certificateId}/plan`)).remedies).toContainEqual(
      expect.stringContaining(`It is still served at 127.0.0.1:${served.port}, as of `),
    );
  });

  it('is told of again when it is revoked, at each endpoint that serves it, in one message for each scan', async () => {
    const { id: certificateId } = old.certificate;
    await program.ok('PUT', `/certificates/${certificateId}/revoke`, { crlReason: 'keyCompromise' });
    await synced(id);
    expect(await noticesOf(certificateId)).toHaveLength(2);
    const other = new Served();
    await other.show(old.shown);
    const hosts = [`127.0.0.1:${served.port}`, `127.0.0.1:${other.port}`];
    await program.ok('PUT', `/sources/${id}`, {
      label: 'served',
      active: false,
      plugin: { id: 'tls-endpoints', options: { hosts } },
    });
    await synced(id);
    expect(await noticesOf(certificateId)).toHaveLength(3);
    const { items } = await program.ok('GET', '/logs?filter=logType;certificate.still-served&count=100');
    const told = items.filter((one: Json) => one.targetId === String(certificateId));
    expect(told.map((one: Json) => [one.after.reason, one.after.count])).toEqual([
      ['revoked', 1],
      ['revoked', 1],
      ['superseded', 1],
    ]);
    await other.stop();
  });

  it('is told of again when it comes back on a later day, after another one was served', async () => {
    const [bad, good] = [await issue('back.test'), await issue('good.test')];
    const { id: certificateId } = bad.certificate;
    const other = new Served();
    await other.show(bad.shown);
    const { id: own } = await source('back', { id: 'tls-endpoints', options: { hosts: [`127.0.0.1:${other.port}`] } });
    await program.ok('PUT', `/certificates/${certificateId}/revoke`, {});
    const toldAfter = async (shown: typeof bad.shown): Promise<number> => {
      await other.show(shown);
      await synced(own);
      return (await noticesOf(certificateId)).length;
    };
    // Two back ends behind one name take turns.
    for (const { shown } of [bad, good, bad, good, bad]) expect(await toldAfter(shown)).toBe(1);
    program.clock.advance(25 * hourMs);
    expect([await toldAfter(bad.shown), await toldAfter(good.shown), await toldAfter(bad.shown)]).toEqual([1, 1, 2]);
    await other.stop();
  });

  it('is told of when it expires within the shortest lead, unless nobody is to be warned', async () => {
    const [told, silent] = [
      await issue('ends.test', { rotation: false }),
      await issue('silent.test', { notify: false }),
    ];
    const other = new Served();
    await served.show(told.shown);
    await other.show(silent.shown);
    const hosts = [`127.0.0.1:${served.port}`, `127.0.0.1:${other.port}`];
    const { id: own } = await source('ending', { id: 'tls-endpoints', options: { hosts } });
    program.clock.advance(87 * dayMs);
    await synced(own);
    expect(await noticesOf(told.certificate.id)).toEqual([]);
    program.clock.advance(1.5 * dayMs);
    await synced(own);
    await synced(own);
    expect(await noticesOf(told.certificate.id)).toHaveLength(1);
    expect(await noticesOf(silent.certificate.id)).toEqual([]);
    await other.stop();
  });
});

describe('a TLS source that is switched off', () => {
  it('is scanned on request alone, also when it was due, and by itself again when it is switched on', async () => {
    const served = new Served();
    await served.show(authority.issue('paused.test'));
    const plugin = { id: 'tls-endpoints', options: { hosts: [`127.0.0.1:${served.port}`], pollRate: 5 } };
    const { id } = await source('paused', plugin, { active: true });
    const runs = async (): Promise<number> => (await program.ok('GET', `/sources/${id}/syncs`)).total;
    const rest = async (): Promise<Json> =>
      eventually(async () => {
        const view = await program.ok('GET', `/sources/${id}`);
        return view.lastSync?.state === 'done' && view;
      });
    await rest();
    expect(await program.ok('PUT', `/sources/${id}`, { label: 'paused', active: false, plugin })).toMatchObject({
      active: false,
      nextRun: null,
    });
    const before = (await rest()) && (await runs());
    program.clock.advance(dayMs);
    // Another source that is due shows that the sweep has been there.
    const witness = await source('witness', plugin, { active: true });
    await eventually(async () => (await program.ok('GET', `/sources/${witness.id}`)).lastSync?.state === 'done');
    await program.ok('DELETE', `/sources/${witness.id}`);
    expect(await runs()).toBe(before);
    expect(await synced(id)).toMatchObject({ state: 'done', endpoints: 1 });
    expect(await program.ok('GET', `/sources/${id}`)).toMatchObject({ nextRun: null });
    await program.ok('PUT', `/sources/${id}`, { label: 'paused', active: true, plugin });
    await eventually(async () => (await runs()) > before + 1);
    await served.stop();
  });
});

describe('a pause of renewals by source', () => {
  it('holds what the source finds, and nothing else, until it ends or the certificate is stale there', async () => {
    const path = join(base, 'held');
    mkdirSync(path);
    const [held, moved, free] = [await issue('held.test'), await issue('moved.test'), await issue('free.test')];
    writeFileSync(join(path, 'held.pem'), held.certificate.body);
    writeFileSync(join(path, 'moved.pem'), moved.certificate.body);
    const { id } = await source('held', { id: 'filesystem-source', options: { path } });
    await synced(id);
    const pause = { scope: 'source', source: { id }, reason: 'The servers are moved.' };
    const { id: pauseId, target } = await program.ok('POST', '/rotation/pauses', pause);
    expect(target).toEqual({ id, name: 'held' });
    expect((await program.call('POST', '/rotation/pauses', { ...pause, source: undefined })).status).toBe(400);
    rmSync(join(path, 'moved.pem'));
    await synced(id);
    await synced(id);
    for (const { certificate } of [held, moved, free])
      await program.ok('PUT', `/certificates/${certificate.id}`, { rotation: true });
    const isRenewed = async ({ certificate }: { certificate: Json }): Promise<boolean> =>
      (await program.ok('GET', `/certificates/${certificate.id}`)).replacedBy.length > 0;
    program.clock.advance(80 * dayMs);
    await eventually(async () => (await isRenewed(free)) && (await isRenewed(moved)));
    await eventually(async () => (await program.ok('GET', `/rotation/pauses/${pauseId}`)).waiting === 1);
    expect(await isRenewed(held)).toBe(false);
    expect((await program.ok('GET', `/certificates/${held.certificate.id}/plan`)).hold).toMatchObject({
      kind: 'pause',
      pauseId,
      text: expect.stringContaining('The servers are moved.'),
    });
    await program.ok('DELETE', `/rotation/pauses/${pauseId}`);
    await eventually(async () => (await program.ok('GET', `/rotation/pauses/${pauseId}`)).waiting === 0);
    program.clock.advance(dayMs);
    await eventually(() => isRenewed(held));
  });
});
