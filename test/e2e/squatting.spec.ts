import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { csrColumn } from '../../src/platform/db/der-column.js';
import { openssl, startTestAuthority } from '../support/bundles.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { makeTeams, type Teams } from '../support/teams.js';

const [team, others] = ['team@example.com', 'others@example.com'];
const elsewhere = startTestAuthority();
const root = mkdtempSync(join(tmpdir(), 'squatting-'));
let program: TestProgram;
let teams: Teams;

beforeAll(async () => {
  program = await startProgram({ ALLOW_CERT_DELETION: 'true' });
  // Ann is of the team that uses the certificates, mal uploads what belongs to others.
  teams = await makeTeams(program, { ann: [team], mal: [others] });
});
afterAll(async () => {
  elsewhere.close();
  await program.stop();
  rmSync(root, { recursive: true, force: true });
});

const as: Teams['as'] = (...request) => teams.as(...request);
const made = (commonName: string) => {
  const { chainPem, privateKeyPem } = elsewhere.issue(commonName);
  return { public: { body: chainPem[0], chain: chainPem[1] }, privateKey: privateKeyPem };
};
const upload = (who: string, more: object) =>
  as(who, 'POST', '/certificates/upload', { owner: who === 'ann' ? team : others, ...more });
const csrOf = (privateKey: string, name = 'proof'): string => {
  const file = join(root, 'key.pem');
  writeFileSync(file, privateKey);
  return openssl(['req', '-new', '-key', file, '-subj', `/CN=${name}`]);
};
/** By mal, who holds nothing but the public certificate. */
const squatted = async (commonName: string, more: object = {}) => {
  const certificate = made(commonName);
  const { status, body } = await upload('mal', { ...certificate.public, notify: false, ...more });
  expect(status).toBe(200);
  return { ...certificate, id: body.id as number };
};
const view = (id: number) => program.ok('GET', `/certificates/${id}`);
const roles = ({ roles: all }: { roles: { name: string }[] }) => all.map(({ name }) => name).sort();

describe('a public certificate that another user uploaded first', () => {
  it.each<[string, (privateKey: string) => object, boolean]>([
    ['its private key', (privateKey) => ({ privateKey }), true],
    ['a CSR that was made with its key', (privateKey) => ({ csr: csrOf(privateKey) }), false],
  ])('is taken over with its settings by an upload with %s', async (what, proof, hasPrivateKey) => {
    const { id, privateKey, ...certificate } = await squatted(`${what.length}.example.com`);
    const refused = await upload('ann', certificate.public);
    expect([refused.status, refused.body.detail]).toEqual([
      409,
      expect.stringMatching(/belongs to others@example\.com\. To take it over, upload it with its privateKey, or/),
    ]);
    const taken = await upload('ann', { ...certificate.public, ...proof(privateKey), description: 'ours' });
    expect([taken.status, taken.body]).toEqual([
      200,
      expect.objectContaining({ id, owner: team, notify: true, hasPrivateKey, description: 'ours' }),
    ]);
    expect(roles(taken.body)).toEqual([team]);
    expect(taken.body).toMatchObject({ user: { username: 'ann' }, nextNoticeAt: expect.any(String) });
    expect((await as('mal', 'PUT', `/certificates/${id}`, { notify: false })).status).toBe(403);
    if (hasPrivateKey) expect((await as('ann', 'GET', `/certificates/${id}/key`)).body.key).toContain('PRIVATE KEY');
    const { items } = await program.ok('GET', `/certificates/${id}/history`);
    expect(items.find(({ action }: { action: string }) => action === 'certificate.taken-over')).toMatchObject({
      user: { username: 'ann' },
      before: { owner: others, notify: false },
      after: { owner: team, notify: true },
    });
    const mail = await eventually(async () =>
      (await program.ok('GET', '/mails?count=200')).items.find(
        ({ subject }: { subject: string }) => subject === `${taken.body.cn}: taken over by ${team}`,
      ),
    );
    expect(mail.to).toEqual([others]);
    // Who has shown it is not put out by who shows no more.
    const again = await upload('mal', { ...certificate.public, ...proof(privateKey) });
    expect([again.status, (await view(id)).owner]).toEqual([409, team]);
  });

  it('is taken over after an upload with a CSR only with the private key, and not with a stored CSR', async () => {
    const { public: certificate, privateKey } = made('csr.example.com');
    const csr = csrOf(privateKey);
    const { body: first } = await upload('mal', { ...certificate, csr });
    expect(await upload('ann', { ...certificate, csr: csrOf(privateKey, 'another') })).toMatchObject({ status: 409 });
    expect(await upload('ann', { ...certificate, privateKey })).toMatchObject({ status: 200, body: { id: first.id } });

    const twin = await squatted('seen.example.com');
    const renewed = csrOf(twin.privateKey);
    await program.database.source.query(
      `update certificate set csr_der = $1, spki_sha256 = (select spki_sha256 from certificate where id = $2)
       where id = $3`,
      [csrColumn.to(renewed), twin.id, first.id],
    );
    expect(await upload('ann', { ...twin.public, csr: renewed })).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('make a new one') },
    });
  });

  it('is restored by an upload with its private key after it was deleted', async () => {
    const { id, privateKey, ...certificate } = await squatted('deleted.example.com');
    expect((await as('mal', 'DELETE', `/certificates/${id}`)).status).toBe(204);
    expect(await upload('ann', { ...certificate.public, privateKey })).toMatchObject({
      status: 200,
      body: { id, owner: team, deleted: false, notify: true },
    });
  });

  it('stays with its requester when it was issued here, even after an upload with the private key', async () => {
    const issued = await program.ok('POST', '/certificates', {
      owner: team,
      commonName: 'issued.example.com',
      authority: { name: 'root' },
    });
    const { key } = await program.ok('GET', `/certificates/${issued.id}/key`);
    const { status, body } = await upload('mal', { body: issued.body, privateKey: key });
    expect([status, body.detail]).toEqual([409, expect.stringContaining(`belongs to ${team}`)]);
  });
});

describe('the owner that a source reports for a certificate', () => {
  const scan = async (label: string, folder: string) => {
    const { id } = await program.ok('POST', '/sources', {
      label,
      owner: team,
      plugin: { id: 'filesystem-source', options: { path: folder } },
    });
    await sync(id);
    return id as number;
  };
  const sync = async (id: number) => {
    const { id: syncId } = await program.ok('POST', `/sources/${id}/sync`);
    await eventually(async () => {
      const { items } = await program.ok('GET', `/sources/${id}/syncs`);
      const done = items.find((one: { id: number }) => one.id === syncId);
      return done?.state === 'done' && done;
    });
  };
  const placed = async (commonName: string, more: object = {}) => {
    const squat = await squatted(commonName, more);
    const folder = mkdtempSync(join(root, 'source-'));
    writeFileSync(join(folder, 'cert.pem'), squat.public.body ?? '');
    return { ...squat, folder };
  };

  it.each<[string, object]>([
    ['another owner', {}],
    ['that owner’s name', { owner: team }],
  ])('is linked and warned although another user uploaded it without notices under %s', async (what, more) => {
    const { id, folder, privateKey, ...certificate } = await placed(`found-${what.length}.example.com`, more);
    expect(await view(id)).toMatchObject({ notify: false, nextNoticeAt: null });
    const sourceId = await scan(`of ${what}`, folder);
    const found = await view(id);
    expect(found).toMatchObject({ notify: true, nextNoticeAt: expect.any(String) });
    expect(roles(found)).toContain(team);
    const labels = found.notifications.map(({ label }: { label: string }) => label);
    expect(labels).toEqual(expect.arrayContaining([expect.stringContaining('TEAM')]));

    const silent: [string, string, object?][] = [
      ['PUT', `/certificates/${id}`, { notify: false }],
      ['PUT', `/certificates/${id}`, { active: false }],
      ['POST', `/certificates/${id}/update/switches`, { notify: false }],
      ['DELETE', `/certificates/${id}`],
    ];
    for (const [method, path, body] of silent)
      expect((await as('mal', method, path, body)).status, `${method} ${JSON.stringify(body)}`).toBe(403);
    const bulk = await as('mal', 'POST', '/certificates/bulk', { ids: [id], change: { notify: false } });
    expect(bulk.body).toMatchObject({ failed: 1 });
    const other = made('stand-in.example.com');
    expect((await upload('mal', { ...other.public, replaces: [{ id }] })).status).toBe(403);
    await as('mal', 'PUT', `/certificates/${id}`, { roles: [], notifications: [] });
    const after = await view(id);
    expect(after).toMatchObject({ notify: true, nextNoticeAt: found.nextNoticeAt });
    expect(roles(after)).toContain(team);

    // The owner of the source decides, and is not asked again by the next look.
    expect((await as('ann', 'PUT', `/certificates/${id}`, { notify: false })).status).toBe(200);
    await sync(sourceId);
    expect((await view(id)).notify).toBe(false);
    expect(await upload('ann', { ...certificate.public, privateKey })).toMatchObject({ status: 200, body: { id } });
  });

  it('gets no right to a certificate whose owner uploaded it with the private key', async () => {
    const { public: certificate, privateKey } = made('proved.example.com');
    const { body } = await upload('mal', { ...certificate, privateKey, notify: false });
    const folder = mkdtempSync(join(root, 'source-'));
    writeFileSync(join(folder, 'cert.pem'), certificate.body ?? '');
    await scan('proved', folder);
    const after = await view(body.id);
    expect([after.notify, roles(after)]).toEqual([false, [others]]);
    expect((await as('mal', 'PUT', `/certificates/${body.id}`, { notify: true })).status).toBe(200);
    expect((await as('mal', 'PUT', `/certificates/${body.id}`, { notify: false })).status).toBe(200);
  });
});
