import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openssl } from '../support/bundles.js';
import { makeAuthority } from '../support/ca-tools.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { type SigningCa, startSigningCa } from '../support/signing-ca.js';

const owner = 'web@example.com';
let folder: string;
let ca: SigningCa;
let program: TestProgram;
let server: Server;
let port: number;

const at = (name: string): string => join(folder, name);
/** A certificate of the CA for this name, with its key. */
function issue(name: string): { cert: string; key: string } {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', at('leaf.key')];
  const csr = openssl([
    'req',
    '-new',
    '-nodes',
    '-subj',
    `/CN=${name}`,
    '-addext',
    `subjectAltName=DNS:${name}`,
    ...key,
  ]);
  return { cert: ca.sign(csr, 20), key: readFileSync(at('leaf.key'), 'utf8') };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'adopt-'));
  ca = startSigningCa();
  program = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
  server = createServer(issue('shop.example.com'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  port = (server.address() as AddressInfo).port;
  const [chain, privateKey] = [ca.issuingPem + ca.rootPem, ca.issuingKeyPem];
  await makeAuthority(program, 'taken over', { commonName: undefined, chain, privateKey });
  await makeAuthority(program, 'another', {});
});
afterAll(async () => {
  await program.stop();
  server.close();
  ca.close();
  rmSync(folder, { recursive: true, force: true });
});

async function discovered(label: string, plugin: object, name: string): Promise<Json> {
  const { id } = await program.ok('POST', '/sources', { label, owner, active: false, plugin });
  await program.call('POST', `/sources/${id}/sync`);
  await eventually(async () => (await program.ok('GET', `/sources/${id}`)).lastSync?.finishedAt);
  const { items } = await program.ok('GET', `/certificates?filter=cn;${encodeURIComponent(`"${name}"`)}`);
  return items[0];
}

/** Whether the CA of the certificate is asked, or was asked, when to renew it. */
async function isAskedAbout(id: number): Promise<boolean> {
  const rows = await program.database.source.query('select from renewal_info where certificate_id = $1', [id]);
  return rows.length === 1;
}

describe('a discovered certificate', () => {
  it('is managed by one request, which says what a person must still do', async () => {
    const options = { hosts: [`127.0.0.1:${port}`], probeVersions: false };
    const { id, authority, rotation } = await discovered(
      'servers',
      { id: 'tls-endpoints', options },
      'shop.example.com',
    );
    expect([authority, rotation]).toEqual([null, false]);
    expect(await program.ok('GET', `/certificates/${id}/plan`)).toMatchObject({
      reason: 'rotation-off',
      remedies: [expect.stringContaining('"rotation": true')],
    });

    const alone = await program.ok('POST', `/certificates/${id}/adopt`, {});
    expect(alone.plan).toMatchObject({
      reason: 'no-issuer',
      remedies: [expect.stringContaining('Name the authority')],
    });

    const adopted = await program.ok('POST', `/certificates/${id}/adopt`, { authority: { name: 'taken over' }, owner });
    expect(adopted.certificate).toMatchObject({ id, owner, rotation: true, authority: { name: 'taken over' } });
    expect(adopted.plan).toMatchObject({
      willRenew: true,
      reason: 'policy',
      remedies: [
        expect.stringContaining('Its private key is not here.'),
        `Give it a destination, or install each successor by hand at 127.0.0.1:${port}.`,
      ],
    });
    expect(adopted.plan.rights).toMatchObject({ allowed: true });
    // A CA in this program knows no more than the policy.
    expect(await isAskedAbout(id)).toBe(false);
    // Again, it changes nothing.
    expect(await program.ok('POST', `/certificates/${id}/adopt`, { authority: { name: 'taken over' } })).toEqual(
      adopted,
    );

    const successor = await program.ok('POST', `/certificates/${id}/reissue`);
    expect(successor).toMatchObject({ owner, hasPrivateKey: true, replaces: [{ id }] });
  });

  it('is refused to an authority that did not issue it, and keeps the one that it has', async () => {
    const { cert, key } = issue('mail.example.com');
    writeFileSync(at('mail.pem'), cert + key);
    const plugin = { id: 'filesystem-source', options: { path: folder, readKeys: true } };
    const { id } = await discovered('files', plugin, 'mail.example.com');
    const adopt = (authority: string) =>
      program.call('POST', `/certificates/${id}/adopt`, { authority: { name: authority } });
    expect(await adopt('another')).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('did not issue') },
    });
    expect(await program.ok('GET', `/certificates/${id}`)).toMatchObject({ rotation: false, authority: null });
    expect(await adopt('taken over')).toMatchObject({ status: 200, body: { plan: { willRenew: true } } });
    expect((await adopt('another')).status).toBe(400);
  });
});

describe('an uploaded certificate', () => {
  const upload = (body: object): Promise<Json> => program.ok('POST', '/certificates/upload', { owner, ...body });

  it('is asked about at its CA once it has an authority, when it is new and when it is taken over', async () => {
    const authority = { name: 'taken over' };
    const [fresh, known] = [issue('new.example.com'), issue('known.example.com')];
    // As a CA whose key is elsewhere.
    await program.database.source.query('update authority set key_id = null where name = $1', [authority.name]);
    const { id } = await upload({ body: fresh.cert, chain: ca.issuingPem, authority });
    expect(await isAskedAbout(id)).toBe(true);
    const { id: taken } = await upload({ body: known.cert, chain: ca.issuingPem });
    expect(await isAskedAbout(taken)).toBe(false);
    const again = await upload({ body: known.cert, chain: ca.issuingPem, privateKey: known.key, authority });
    expect([again.id, await isAskedAbout(taken)]).toEqual([taken, true]);
  });
});
