import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeCtSearch, startCtSearch } from '../fakes/ct-search.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const owner = 'web@example.com';
let program: TestProgram;
let search: FakeCtSearch;
let id: number;

beforeAll(async () => {
  search = await startCtSearch();
  program = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
  await program.ok('POST', '/authorities', { name: 'ours', owner: 'pki@example.com', commonName: 'Ours' });
  const options = { url: search.url, domains: ['example.com'], perMinute: 6000 };
  const plugin = { id: 'ct-search', options };
  id = (await program.ok('POST', '/sources', { label: 'logs', owner, active: false, plugin })).id;
});
afterAll(async () => {
  await program.stop();
  await search.stop();
});

async function synced(sourceId = id): Promise<Json> {
  const { id: syncId } = await program.ok('POST', `/sources/${sourceId}/sync`);
  return eventually(async () => {
    const { items } = await program.ok('GET', `/sources/${sourceId}/syncs?count=50`);
    return items.find((item: Json) => item.id === syncId && item.finishedAt !== null);
  });
}
const byName = async (cn: string): Promise<Json[]> =>
  (await program.ok('GET', `/certificates?chain=true&filter=cn;${encodeURIComponent(`"${cn}"`)}`)).items;
const notices = async (): Promise<Json[]> =>
  (await program.ok('GET', '/notices?event=certificate.unexpected&count=50')).items;
const locationsOf = async (certificateId: number): Promise<Json[]> =>
  (await program.ok('GET', `/certificates/${certificateId}/sources`)).items.flatMap((one: Json) => one.locations);

describe('a source of Certificate Transparency', () => {
  it('knows what was requested here by its key and serial number, also as a precertificate', async () => {
    const request = { owner, commonName: 'ours.example.com', authority: { name: 'ours' }, validityDays: 90 };
    const ours = await program.ok('POST', '/certificates', request);
    const { key } = await program.ok('GET', `/certificates/${ours.id}/key`);
    const logged = { names: ['ours.example.com'], serialHex: ours.serialHex, keyPem: key };
    search.log({ ...logged, isPrecertificate: true });
    search.add(ours.body);
    expect(await synced()).toMatchObject({ state: 'done', certificates: 1, imported: 0, troubles: 0 });
    expect(await locationsOf(ours.id)).toHaveLength(1);
    expect(await notices()).toEqual([]);
    expect(await byName('ours.example.com')).toMatchObject([{ id: ours.id, notify: true }]);
  });

  it('imports what nobody requested here, without warnings of its end, and tells its owner once of all', async () => {
    search.log({ names: ['rogue.example.com'], serialHex: '51' });
    search.log({ names: ['*.example.com'], serialHex: '52' });
    expect(await synced()).toMatchObject({ certificates: 2, imported: 2, troubles: 0 });
    const [rogue] = await byName('rogue.example.com');
    expect(rogue).toMatchObject({ owner, notify: false, rotation: false, issuer: 'OtherIssuing' });
    expect(await notices()).toHaveLength(2);
    const mail = await eventually(async () =>
      (await program.ok('GET', '/mails?count=200')).items.find((one: Json) => /was not asked here$/.test(one.subject)),
    );
    expect(mail.subject).toContain('and 1 more');
    expect(await synced()).toMatchObject({ certificates: 0, imported: 0, gone: 0 });
    expect(await notices()).toHaveLength(2);
  });

  it('makes nothing stale that it does not report again', async () => {
    const [{ id: rogue }] = (await byName('rogue.example.com')) as [Json];
    for (let n = 0; n < 3; n += 1) expect(await synced()).toMatchObject({ state: 'done', gone: 0 });
    expect(await locationsOf(rogue)).toMatchObject([{ staleSince: null }]);
  });

  it('stores a precertificate until the certificate is found, which takes its row and is watched then', async () => {
    const keyPem = search.newKey();
    const logged = { names: ['late.example.com'], serialHex: '53', keyPem };
    const { pem: precertificate } = search.log({ ...logged, isPrecertificate: true });
    await synced();
    const [stored] = (await byName('late.example.com')) as [Json];
    expect(stored.body).toBe(precertificate);
    const { pem } = search.log({ ...logged, serialHex: '53' });
    expect(await synced()).toMatchObject({ certificates: 1, imported: 0 });
    expect(await byName('late.example.com')).toMatchObject([{ id: stored.id, body: pem, notify: false }]);
    expect(await notices()).toHaveLength(3);

    const path = mkdtempSync(join(tmpdir(), 'ct-files-'));
    writeFileSync(join(path, 'late.pem'), pem);
    const plugin = { id: 'filesystem-source', options: { path } };
    const files = await program.ok('POST', '/sources', { label: 'files', owner, active: false, plugin });
    expect(await synced(files.id)).toMatchObject({ certificates: 1, imported: 0, troubles: 0 });
    expect(await byName('late.example.com')).toMatchObject([{ id: stored.id, notify: true }]);
    rmSync(path, { recursive: true });
  });

  it('goes on at its position after a failure, and reports nothing twice', async () => {
    for (let n = 0; n < 45; n += 1) search.log({ names: [`n${n}.example.com`], serialHex: `6${n.toString(16)}` });
    // The two lists, and 25 certificates; then the service is overloaded.
    let asked = 0;
    for (let n = 0; n < 27; n += 1) search.fail({ on: /^GET \//, kind: (reply) => (void (asked += 1), reply) });
    search.fail({ on: /^GET \//, kind: { status: 503, body: 'overloaded' } });
    expect(await synced()).toMatchObject({ state: 'failed', fault: 'unavailable', imported: 25 });
    expect(asked).toBe(27);
    expect(await synced()).toMatchObject({ state: 'done', imported: 20 });
    expect(await notices()).toHaveLength(48);
  });

  it('gives an uploaded certificate the row of its precertificate, once of two at the same time', async () => {
    const logged = { names: ['bought.example.com'], serialHex: '71', keyPem: search.newKey() };
    search.log({ ...logged, isPrecertificate: true });
    await synced();
    const [stored] = (await byName('bought.example.com')) as [Json];
    const { pem: body } = search.log(logged);
    const dry = { owner: 'shop@example.com', pem: body };
    expect((await program.ok('POST', '/certificates/upload/bulk', { ...dry, dryRun: true })).items).toMatchObject([
      { outcome: 'found' },
    ]);
    const upload = () => program.call('POST', '/certificates/upload', { owner: 'shop@example.com', body });
    const answers = await Promise.all([upload(), upload()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(answers.find(({ status }) => status === 200)?.body).toMatchObject({
      ...{ id: stored.id, body, owner: 'shop@example.com', notify: true, chain: stored.chain },
      nextNoticeAt: expect.any(String),
    });
    expect(await byName('bought.example.com')).toMatchObject([{ id: stored.id, body }]);
    const { items: history } = await program.ok('GET', `/certificates/${stored.id}/history`);
    expect(history.map(({ action }: Json) => action).sort()).toEqual([
      ...['certificate.precertificate-replaced', 'certificate.taken-over', 'certificate.unexpected'],
    ]);
    expect(await synced()).toMatchObject({ imported: 0, troubles: 0 });
    expect(await byName('bought.example.com')).toMatchObject([{ id: stored.id, owner: 'shop@example.com' }]);
  });

  it('keeps a watched precertificate from an upload without the key, and from other content', async () => {
    const logged = { names: ['watched.example.com'], serialHex: '72', keyPem: search.newKey() };
    search.log({ ...logged, isPrecertificate: true });
    await synced();
    const [stored] = (await byName('watched.example.com')) as [Json];
    await program.ok('PUT', `/certificates/${stored.id}`, { notify: true });
    const { pem: forged } = search.log({ ...logged, names: ['watched.example.com', 'more.example.com'] });
    const { pem: body } = search.log(logged);
    const upload = (more: object) => program.call('POST', '/certificates/upload', { owner: 'x@example.com', ...more });
    expect(await upload({ body })).toMatchObject({ status: 409 });
    expect(await byName('watched.example.com')).toMatchObject([{ body: stored.body, owner }]);
    const shown = await upload({ body, privateKey: logged.keyPem });
    expect([shown.status, shown.body]).toEqual([
      200,
      expect.objectContaining({ id: stored.id, body, owner: 'x@example.com', hasPrivateKey: true }),
    ]);
    expect((await upload({ body: forged, chain: stored.chain || undefined })).body.id).not.toBe(stored.id);
  });
});
