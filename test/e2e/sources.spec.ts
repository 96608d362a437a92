import { IAM } from '@aws-sdk/client-iam';
import { execFile as execFileCallback } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext, createServer, type Server } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IAM_DEFAULTS, startIam, type FakeIam } from '../fakes/iam-server.js';
import { openssl, startTestAuthority, type TestAuthority } from '../support/bundles.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { sweptTwice } from '../support/sweeps.js';
import type { Json } from '../support/json.js';

const execFile = promisify(execFileCallback);
const day = 86_400_000;
const owner = 'web@example.com';
let base: string;
let program: TestProgram;
let authority: TestAuthority;
let fake: FakeIam;
let iam: IAM;
/** What the server serves at last. */
let shop: ReturnType<TestAuthority['issue']>;

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'sources-'));
  authority = startTestAuthority();
  fake = await startIam({ quota: 50 });
  iam = new IAM({ region: 'us-east-1', endpoint: fake.url, maxAttempts: 1, credentials: IAM_DEFAULTS });
  program = await startProgram({
    ALLOWED_PRIVATE_HOSTS: '127.0.0.1',
    SECURITY_TEAM_EMAIL: 'security@example.com',
    SECURITY_NOTICE_DAYS: '1',
  });
});
afterAll(async () => {
  await program.stop();
  iam.destroy();
  await fake.close();
  authority.close();
  rmSync(base, { recursive: true, force: true });
});

const folder = (name: string): string => {
  mkdirSync(join(base, name), { recursive: true });
  return join(base, name);
};
/** A source that is looked at only when asked. */
const source = (label: string, plugin: object, more: object = {}): Promise<Json> =>
  program.ok('POST', '/sources', { label, owner, active: false, plugin, ...more });
const ofFolder = (label: string, options: object = {}, more: object = {}): Promise<Json> =>
  source(label, { id: 'filesystem-source', options: { path: folder(label), ...options } }, more);
const newest = async (id: number): Promise<Json> => (await program.ok('GET', `/sources/${id}`)).lastSync;
/** Has it looked at once; gives the sync as it ended. One that was running already may have missed the newest. */
async function synced(id: number): Promise<Json> {
  const { status, body } = await program.call('POST', `/sources/${id}/sync`);
  expect(status).toBe(202);
  const sync = await ended(id, body.id);
  return body.startedAt === null ? sync : synced(id);
}
const ended = (id: number, syncId: number): Promise<Json> =>
  eventually(async () => {
    const { items } = await program.ok('GET', `/sources/${id}/syncs?count=50`);
    const sync = items.find((item: Json) => item.id === syncId);
    return sync?.finishedAt != null && sync;
  });
/** Cleans the source once no scan is under way, which begins when the clock is moved. */
const cleaned = (id: number, query = ''): Promise<Json> =>
  eventually(async () => {
    const { status, body } = await program.call('POST', `/sources/${id}/clean${query}`);
    if (status === 409) return null;
    expect(status, JSON.stringify(body)).toBe(200);
    return body;
  });
const found = async (query: string): Promise<Json[]> =>
  (await program.ok('GET', `/certificates?${query}&showExpired=true&count=200`)).items;
const byName = (cn: string): Promise<Json[]> => found(`chain=true&filter=cn;${encodeURIComponent(`"${cn}"`)}`);
const put = (label: string, file: string, text: string): void => writeFileSync(join(folder(label), file), text);

describe('a source of folders', () => {
  it('imports each certificate that it finds once, with notices and without rotation', async () => {
    const { id } = await ofFolder('first');
    const [a, b] = [authority.issue('a.first.test'), authority.issue('b.first.test')];
    put('first', 'a.pem', a.chainPem.join(''));
    put('first', 'copy.pem', a.chainPem[0] as string);
    put('first', 'b.crt', b.chainPem.join(''));
    put('first', 'broken.pem', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n');
    expect(await synced(id)).toMatchObject({
      state: 'done',
      certificates: 3,
      imported: 2,
      gone: 0,
      troubles: 1,
      troubleList: [{ location: join(base, 'first', 'broken.pem') }],
    });
    const [one] = await byName('a.first.test');
    expect(one).toMatchObject({
      owner,
      lifecycle: 'issued',
      notify: true,
      rotation: false,
      hasPrivateKey: false,
      body: a.chainPem[0],
      chain: a.chainPem[1],
      authority: null,
      description: expect.stringContaining('automatically discovered'),
      roles: [{ name: owner }],
      nextNoticeAt: expect.any(String),
    });
    expect(one.notifications.map(({ label }: Json) => label).sort()).toEqual([
      'DEFAULT_SECURITY_1_DAY',
      ...[15, 2, 30].map((days) => `DEFAULT_WEB@EXAMPLE.COM_${days}_DAY`),
    ]);
    expect(await program.ok('GET', `/certificates/${one.id}/sources`)).toMatchObject({
      total: 1,
      items: [
        {
          id,
          label: 'first',
          plugin: { slug: 'filesystem-source' },
          locations: [{ location: join(base, 'first', 'a.pem') }, { location: join(base, 'first', 'copy.pem') }],
        },
      ],
    });
    expect(await synced(id)).toMatchObject({ certificates: 3, imported: 0, gone: 0 });
    expect(await byName('a.first.test')).toHaveLength(1);
    const events = (await program.ok('GET', `/logs?filter=logType;certificate.discovered&count=200`)).items;
    expect(events.map(({ targetId }: Json) => targetId)).toContain(String(one.id));
  });

  it('reports a certificate that the database refuses as a trouble, and imports the others', async () => {
    const { source: database } = program.database;
    const { id } = await ofFolder('refused');
    for (const name of ['a', 'b', 'refused', 'c', 'd'])
      put('refused', `${name}.pem`, authority.issue(`${name}.refused.test`).chainPem.join(''));
    await database.query(
      `alter table certificate add constraint refused check (common_name <> 'refused.refused.test')`,
    );
    try {
      expect(await synced(id)).toMatchObject({
        state: 'done',
        imported: 4,
        troubleList: [
          { location: join(base, 'refused', 'refused.pem'), detail: expect.stringContaining('cannot be stored') },
        ],
      });
    } finally {
      await database.query('alter table certificate drop constraint refused');
    }
    expect(await synced(id)).toMatchObject({ state: 'done', imported: 1, troubles: 0 });
  });

  it('marks certificates that two scans miss as stale, but none in a folder that it cannot read', async () => {
    const { id } = await ofFolder('gone');
    const { chainPem } = authority.issue('gone.test');
    put('gone', 'a.pem', chainPem.join(''));
    await synced(id);
    renameSync(join(base, 'gone'), join(base, 'moved'));
    expect(await synced(id)).toMatchObject({ state: 'failed', fault: 'unavailable', gone: 0 });
    expect(await program.ok('GET', `/sources/${id}`)).toMatchObject({
      attempts: 1,
      fault: 'unavailable',
      lastRun: expect.any(String),
    });
    const [{ id: certificateId }] = await byName('gone.test');
    expect((await program.ok('GET', `/certificates/${certificateId}/sources`)).total).toBe(1);
    renameSync(join(base, 'moved'), join(base, 'gone'));
    writeFileSync(join(base, 'gone', 'a.pem'), Buffer.alloc(1_048_577));
    expect(await synced(id)).toMatchObject({ state: 'done', gone: 0, troubles: 1 });
    unlinkSync(join(base, 'gone', 'a.pem'));
    expect(await synced(id)).toMatchObject({ gone: 0 });
    expect(await synced(id)).toMatchObject({ gone: 1 });
    expect(await program.ok('GET', `/sources/${id}`)).toMatchObject({ attempts: 0, fault: null });
    expect((await program.ok('GET', `/certificates/${certificateId}/sources`)).items[0].locations).toMatchObject([
      { staleSince: expect.any(String) },
    ]);
    expect(await byName('gone.test')).toHaveLength(1);
  });

  it('matches certificates by fingerprint, not by name, and does not change those that are managed here', async () => {
    const { id } = await ofFolder('names');
    await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Names Root' });
    const ours = await program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'ours.test',
      authority: { name: 'root' },
      rotation: true,
    });
    put('names', 'ours.pem', ours.body);
    for (const n of [1, 2]) put('names', `same-${n}.pem`, authority.issue('same.test').chainPem.join(''));
    expect(await synced(id)).toMatchObject({ certificates: 3, imported: 2 });
    const same = await byName('same.test');
    expect(new Set(same.map(({ name }) => name)).size).toBe(2);
    expect(await program.ok('GET', `/certificates/${ours.id}`)).toMatchObject({
      owner: 'joe@example.com',
      rotation: true,
      hasPrivateKey: true,
      externalId: null,
    });
    expect((await program.ok('GET', `/certificates/${ours.id}/sources`)).items[0].label).toBe('names');
  });

  it('refuses a second certificate with the serial number of another, and imports the others', async () => {
    const { id } = await ofFolder('serial');
    const at = (name: string): string => join(base, 'serial', name);
    for (const name of ['a', 'b', 'c']) {
      openssl([
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        at(`${name}.key`),
        '-out',
        at(`${name}.pem`),
        '-subj',
        `/CN=${name}.serial.test`,
        ...(name === 'c' ? [] : ['-set_serial', '77']),
        '-CA',
        ...caFiles(),
        '-addext',
        'basicConstraints=critical,CA:FALSE',
      ]);
    }
    put('serial', 'ca.pem', readFileSync(caFiles()[0], 'utf8'));
    expect(await synced(id)).toMatchObject({
      certificates: 3,
      imported: 2,
      troubles: 1,
      troubleList: [{ location: at('b.pem'), detail: expect.stringContaining('serial number 4D') }],
    });
  });

  it('imports private keys only when an option permits it', async () => {
    for (const readKeys of [false, true]) {
      const label = `keys-${readKeys}`;
      const { id } = await ofFolder(label, { readKeys });
      const { chainPem, privateKeyPem } = authority.issue(`${label}.test`);
      put(label, 'a.pem', chainPem.join('') + privateKeyPem);
      await synced(id);
      const [one] = await byName(`${label}.test`);
      expect(one.hasPrivateKey).toBe(readKeys);
      if (readKeys)
        expect((await program.ok('GET', `/certificates/${one.id}/key`)).key.trim()).toBe(privateKeyPem.trim());
    }
  });

  it('imports 2,000 certificates once each, although two sources and many requests scan simultaneously', async () => {
    const sources = [
      await ofFolder('many', {}),
      await source('many-2', { id: 'filesystem-source', options: { path: folder('many') } }),
    ];
    // Not execFileSync: the program runs in this process, and closes idle connections of the test meanwhile.
    await execFile('bash', [
      '-c',
      `
      cd "$1" && openssl ecparam -genkey -name prime256v1 -noout -out key.key 2>/dev/null
      printf '[req]\\ndistinguished_name=dn\\n[dn]\\n' > cnf
      for i in $(seq 2000); do
        openssl req -x509 -config cnf -key key.key -subj "/CN=host-$i.many.test" -days 90 -out "$i.pem" \\
          -addext "subjectAltName=DNS:host-$i.many.test"
      done`,
      'make',
      folder('many'),
    ]);
    const asked = await Promise.all(
      sources.flatMap(({ id }) => Array.from({ length: 5 }, () => program.call('POST', `/sources/${id}/sync`))),
    );
    expect(asked.every(({ status }) => status === 202)).toBe(true);
    const ids = new Set(asked.map(({ body }) => body.id));
    expect(ids.size).toBe(2);
    const syncs = await Promise.all(
      sources.map(({ id }) => eventually(async () => (await newest(id))?.finishedAt && newest(id), 300_000)),
    );
    expect(syncs.map(({ certificates, state }) => [certificates, state])).toEqual([
      [2000, 'done'],
      [2000, 'done'],
    ]);
    expect(syncs[0].imported + syncs[1].imported).toBe(2000);
    const [{ count }] = await program.database.source.query(
      `select count(*)::int as count from certificate where common_name like '%.many.test'`,
    );
    expect(count).toBe(2000);
  }, 600_000);

  it('is scanned without a request, again after its poll rate, and sooner after a failure', async () => {
    const { id, lastSync } = await ofFolder('poll', { pollRate: 600 }, { active: true });
    expect(lastSync).toBeNull();
    const first = await eventually(async () => (await newest(id))?.state === 'done' && newest(id));
    program.clock.advance(599 * 60_000);
    rmSync(join(base, 'poll'), { recursive: true });
    await sweptTwice(program, 'source-syncs');
    expect((await newest(id)).id).toBe(first.id);
    program.clock.advance(2 * 60_000);
    await eventually(async () => (await newest(id)).state === 'failed');
    const { nextRun, attempts } = await program.ok('GET', `/sources/${id}`);
    expect(attempts).toBe(1);
    expect(Date.parse(nextRun) - program.clock.now().getTime()).toBeLessThan(5 * 60_000);
    folder('poll');
    program.clock.advance(5 * 60_000);
    await eventually(async () => (await program.ok('GET', `/sources/${id}`)).attempts === 0);
    await program.ok('DELETE', `/sources/${id}`);
  });
});

const caFiles = (): [string, '-CAkey', string] => {
  const [cert, key] = [join(base, 'ca.pem'), join(base, 'ca.key')];
  try {
    readFileSync(cert);
  } catch {
    openssl([
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
      '-subj',
      '/CN=Serial CA',
    ]);
  }
  return [cert, '-CAkey', key];
};

describe('sources over REST', () => {
  it('never show secrets, have unique labels and check rights', async () => {
    const options = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'Marker-secret-7a' };
    const made = await source('secret', { id: 'aws-iam-source', options });
    expect(made.plugin).toMatchObject({ slug: 'aws-source', secretsSet: ['secretAccessKey'] });
    await program.ok('PUT', `/sources/${made.id}`, { ...made, owner: 'other@example.com' });
    const seen = [
      await program.ok('GET', '/sources?count=200'),
      await program.ok('GET', `/sources/${made.id}`),
      await program.ok('GET', '/logs?count=200'),
    ];
    expect(JSON.stringify(seen)).not.toContain('Marker-secret-7a');
    expect(seen[1]).toMatchObject({ owner: 'other@example.com', plugin: { secretsSet: ['secretAccessKey'] } });
    expect(
      (
        await program.call('POST', '/sources', {
          label: 'SECRET',
          owner,
          plugin: { id: 'tls-endpoints', options: { hosts: ['a.test'] } },
        })
      ).status,
    ).toBe(409);
    expect(
      (await program.call('POST', '/sources', { label: 'x', plugin: { slug: 'aws-source', pluginOptions: [] } })).body
        .reasons,
    ).toHaveProperty('owner');
    expect((await program.call('POST', '/sources', { label: 'x', owner, plugin: { id: 'filesystem' } })).status).toBe(
      400,
    );
    await program.ok('POST', '/users', { username: 'plain', email: 'plain@example.com', password: 'Correct-Horse-2!' });
    const token = await program.login('plain', 'Correct-Horse-2!');
    const as = async (method: string, path: string): Promise<number> =>
      (await program.call(method, path, undefined, { token })).status;
    expect([
      await as('GET', '/sources'),
      await as('GET', '/endpoints'),
      await as('POST', `/sources/${made.id}/sync`),
      await as('POST', `/sources/${made.id}/test`),
      await as('POST', `/sources/${made.id}/clean`),
      await as('DELETE', `/sources/${made.id}`),
    ]).toEqual([200, 200, 403, 403, 403, 403]);
    for (const path of ['/sources', '/destinations', '/roles', '/users']) {
      const refused = async (body: object): Promise<number> =>
        (await program.call('POST', path, body, { token })).status;
      const good =
        path === '/roles'
          ? { name: 'x' }
          : path === '/users'
            ? { username: 'x', email: 'x@example.com' }
            : { label: 'x', plugin: { slug: 'filesystem' } };
      expect([await refused({}), await refused(good)], path).toEqual([400, 403]);
    }
    expect((await program.call('POST', '/endpoints', {})).status).toBe(405);
    expect((await program.call('DELETE', '/endpoints/1')).status).toBe(405);
    expect(await program.ok('DELETE', `/sources/${made.id}`)).toEqual({ result: true });
  });
});

describe('a source of TLS servers', () => {
  let server: Server;
  let port: number;
  let id: number;
  let endpointId: number;
  const serve = ({ chainPem, privateKeyPem }: { chainPem: readonly string[]; privateKeyPem: string }): void => {
    server.setSecureContext({ cert: chainPem.join(''), key: privateKeyPem });
  };
  const endpoint = (): Promise<Json> => program.ok('GET', `/endpoints/${endpointId}`);
  const issues = async (): Promise<string[]> => (await endpoint()).issues.map(({ name }: Json) => name);

  beforeAll(async () => {
    shop = authority.issue('shop.test');
    const { chainPem, privateKeyPem } = shop;
    server = createServer({ cert: chainPem.join(''), key: privateKeyPem });
    server.on('connection', (socket) => socket.on('error', () => undefined));
    createSecureContext();
    port = ((await once(server.listen(0, '127.0.0.1'), 'listening')) && (server.address() as AddressInfo)).port;
    id = (
      await source('servers', {
        id: 'tls-endpoints',
        options: { hosts: [`127.0.0.1:${port}`, '127.0.0.1:1', '169.254.169.254'], timeout: 60 },
      })
    ).id;
  });
  afterAll(() => server.close());

  it('stores endpoints with the certificates that they serve, and refuses addresses that are not allowed', async () => {
    const sync = await synced(id);
    expect(sync).toMatchObject({ state: 'done', endpoints: 1, imported: 1, troubles: 2 });
    expect(sync.troubleList.map(({ detail }: Json) => detail).sort()).toEqual([
      expect.stringContaining('cannot be reached (ECONNREFUSED)'),
      expect.stringContaining('is not on the public internet'),
    ]);
    const [certificate] = await byName('shop.test');
    const {
      items: [one],
    } = await program.ok('GET', `/endpoints?filter=name;127.0.0.1:${port}`);
    endpointId = one.id;
    expect(one).toMatchObject({
      port,
      dnsname: '127.0.0.1',
      active: true,
      type: 'tls',
      protocol: 'TLSv1.3',
      source: { id, label: 'servers', plugin: { slug: 'tls-endpoints' } },
      certificate: { id: certificate.id, name: certificate.name },
      served: { serialHex: certificate.serialHex, serial: certificate.serial, fingerprint: certificate.fingerprint },
      policy: { ciphers: expect.arrayContaining([{ name: 'Protocol-TLSv1.3', deprecated: false }]) },
      issues: [],
    });
    expect((await program.ok('GET', `/certificates/${certificate.id}`)).endpoints).toEqual([
      {
        id: endpointId,
        name: `127.0.0.1:${port}`,
        dnsname: '127.0.0.1',
        port,
        type: 'tls',
        owner: 'web@example.com',
        active: true,
        staleSince: null,
      },
    ]);
    expect(await program.ok('GET', `/sources/${id}`)).toMatchObject({
      endpointCount: 1,
      endpoints: [{ id: endpointId }],
    });
    expect(await program.ok('POST', `/sources/${id}/test`)).toMatchObject({ ok: false, fault: 'unavailable' });
  });

  it.each([
    ['active;true', 1],
    ['active;false', 0],
    ['port;1', 0],
    ['ciphers;tlsv1.3', 1],
    ['ciphers;RC4', 0],
    ['source;servers', 1],
    ['source;nothing', 0],
    ['dnsname;"127.0.0.1"', 1],
  ])('finds endpoints by %s', async (filter, total) => {
    expect((await program.ok('GET', `/endpoints?filter=${encodeURIComponent(filter)}`)).total).toBe(total);
  });

  it('stores the same endpoint once for each source', async () => {
    const second = await source('servers again', { id: 'tls-endpoints', options: { hosts: [`127.0.0.1:${port}`] } });
    await synced(second.id);
    expect((await program.ok('GET', `/endpoints?filter=port;${port}`)).total).toBe(2);
    await program.ok('DELETE', `/sources/${second.id}`);
    expect((await program.ok('GET', `/endpoints?filter=port;${port}`)).total).toBe(1);
  });

  it('lists the issues of an endpoint', async () => {
    await program.ok('POST', '/authorities', { name: 'shop-root', owner: 'pki@example.com', commonName: 'Shop Root' });
    const old = await program.ok('POST', '/certificates', {
      owner,
      commonName: 'ours.shop.test',
      authority: { name: 'shop-root' },
      validityDays: 200,
    });
    const { key } = await program.ok('GET', `/certificates/${old.id}/key`);
    serve({ chainPem: [old.body, old.chain], privateKeyPem: key });
    expect(await synced(id)).toMatchObject({ imported: 0 });
    expect((await endpoint()).certificate.id).toBe(old.id);
    expect(await issues()).toEqual([]);
    await program.ok('PUT', `/certificates/${old.id}`, { notify: false });
    expect(await issues()).toEqual(['unwatched certificate']);
    await program.ok('PUT', `/certificates/${old.id}`, { notify: true });
    await program.ok('POST', `/certificates/${old.id}/reissue`);
    await eventually(async () => (await issues()).includes('outdated certificate'));
    await program.ok('PUT', `/certificates/${old.id}/revoke`, { crlReason: 'keyCompromise' });
    expect(await issues()).toContain('revoked');
  });

  it('keeps an endpoint that it no longer sees, with the issue "stale" after a while', async () => {
    serve(shop);
    await synced(id);
    server.close();
    await synced(id);
    expect(await endpoint()).toMatchObject({ active: true, detail: expect.stringContaining('cannot be reached') });
    expect(await issues()).toContain('not seen');
    program.clock.advance(2 * day);
    expect(await endpoint()).toMatchObject({ active: false });
    expect(await issues()).toContain('stale');
    expect((await program.ok('GET', '/endpoints?filter=active;false')).total).toBe(1);
  });
});

describe('sources of AWS IAM', () => {
  const access = () => ({
    endpoint: fake.url,
    accessKeyId: IAM_DEFAULTS.accessKeyId,
    secretAccessKey: IAM_DEFAULTS.secretAccessKey,
    accountNumber: '123456789012',
  });
  const sources = async (): Promise<Json[]> =>
    (await program.ok('GET', '/sources?count=200')).items.filter(({ plugin }: Json) => plugin.slug === 'aws-source');
  const upload = async (name: string, pem: { chainPem: readonly string[]; privateKeyPem: string }): Promise<void> => {
    await iam.uploadServerCertificate({
      ServerCertificateName: name,
      Path: '/x/',
      CertificateBody: pem.chainPem[0],
      CertificateChain: pem.chainPem[1],
      PrivateKey: pem.privateKeyPem,
    });
  };
  let id: number;

  it('are created with the first destination of an account and path', async () => {
    await program.ok('POST', '/destinations', {
      label: 'cloud',
      plugin: { slug: 'aws-destination', options: { ...access(), path: '/x/' } },
    });
    await program.ok('POST', '/destinations', {
      label: 'cloud again',
      plugin: { slug: 'aws-destination', options: { ...access(), path: '/x/', namePrefix: 'p-' } },
    });
    const [only, ...others] = await sources();
    expect(others).toEqual([]);
    expect(only).toMatchObject({
      label: 'cloud',
      active: true,
      owner: 'security@example.com',
      plugin: { options: { accountNumber: '123456789012', path: '/x/' }, secretsSet: ['secretAccessKey'] },
    });
    id = only.id;
    await program.ok('POST', '/destinations', {
      label: 'elsewhere',
      plugin: { slug: 'aws-destination', options: { ...access(), path: '/y/' } },
    });
    expect(await sources()).toHaveLength(2);
  });

  it('find certificates that a destination delivered and certificates that others uploaded', async () => {
    const ours = await program.ok('POST', '/certificates', {
      owner,
      commonName: 'cloud.test',
      authority: { name: 'root' },
      validityDays: 20,
      destinations: [{ label: 'cloud' }],
    });
    const [delivery] = await eventually(async () => {
      const { items } = await program.ok('GET', `/certificates/${ours.id}/deliveries`);
      return items[0]?.state === 'delivered' && items;
    });
    // The first scan, which nobody asked for, would import what is uploaded now.
    await eventually(async () => (await newest(id))?.finishedAt);
    const foreign = authority.issue('foreign.test');
    await upload('foreign', foreign);
    await upload('served', shop);
    expect(await synced(id)).toMatchObject({ state: 'done', certificates: 3, imported: 1 });
    const [other] = await byName('foreign.test');
    expect(other).toMatchObject({
      externalId: fake.certificates().find(({ name }) => name === 'foreign')?.id,
      destinations: [],
    });
    expect((await program.ok('GET', `/certificates/${ours.id}/sources`)).items[0].locations).toEqual([
      expect.objectContaining({ location: delivery.location }),
    ]);
    expect((await program.ok('GET', `/certificates/${ours.id}`)).externalId).toBeNull();
  });

  it('make managed certificates that they find delivered', async () => {
    const ours = await program.ok('POST', '/certificates', {
      owner,
      commonName: 'by-hand.test',
      authority: { name: 'root' },
    });
    const { key } = await program.ok('GET', `/certificates/${ours.id}/key`);
    await iam.uploadServerCertificate({
      ServerCertificateName: 'by-hand',
      Path: '/x/',
      CertificateBody: ours.body,
      PrivateKey: key,
    });
    await synced(id);
    expect((await program.ok('GET', `/certificates/${ours.id}/deliveries`)).items).toEqual([
      expect.objectContaining({
        state: 'delivered',
        location: 'arn:aws:iam::123456789012:server-certificate/x/by-hand',
        nextCheckAt: expect.any(String),
      }),
    ]);
    await iam.deleteServerCertificate({ ServerCertificateName: 'by-hand' });
    expect(await synced(id)).toMatchObject({ gone: 0, troubleList: [] });
    expect(await synced(id)).toMatchObject({
      gone: 1,
      troubleList: [{ detail: expect.stringContaining('was delivered there and is gone') }],
    });
    program.clock.advance(day);
    await eventually(async () => {
      const [{ state, verification }] = (await program.ok('GET', `/certificates/${ours.id}/deliveries`)).items;
      return state === 'delivered' && verification === 'differs';
    });
  });

  it('are cleaned only of expired certificates that nothing uses', async () => {
    expect((await program.call('POST', `/sources/${(await ofFolder('shut')).id}/clean`)).status).toBe(409);
    expect(await cleaned(id)).toEqual({ dryRun: true, items: [], total: 0 });
    program.clock.advance(31 * day);
    const dry = await cleaned(id);
    expect(dry).toMatchObject({
      dryRun: true,
      total: 1,
      items: [{ location: expect.stringMatching(/\/x\/foreign$/), removed: false, fault: null }],
    });
    expect(fake.certificates().map(({ name }) => name)).toContain('foreign');
    fake.fail({ action: 'DeleteServerCertificate', kind: 'DeleteConflict' });
    expect((await cleaned(id, '?dryRun=false')).items).toEqual([
      expect.objectContaining({ removed: false, fault: 'unavailable', detail: expect.stringContaining('in use') }),
    ]);
    expect((await cleaned(id, '?dryRun=false')).items).toEqual([expect.objectContaining({ removed: true })]);
    expect(fake.certificates().map(({ name }) => name)).not.toContain('foreign');
    expect(await cleaned(id, '?dryRun=false')).toMatchObject({ total: 0 });
    expect(await byName('foreign.test')).toHaveLength(1);
  });

  it('subscribe the certificates that they find to notices of expiry', async () => {
    const mail = await eventually(async () =>
      (await program.ok('GET', '/mails?count=200')).items.find(({ text }: Json) => text.includes('foreign.test')),
    );
    expect(JSON.stringify(mail)).toContain('security@example.com');
    const warned = /Common name: shop\.test[^]*Served at: 127\.0\.0\.1:\d+/;
    await eventually(async () =>
      (await program.ok('GET', '/mails?count=200')).items.find(({ text }: Json) => warned.test(text)),
    );
  });

  it('keep their certificates and show the fault when the service is down', async () => {
    await eventually(async () => (await newest(id)).finishedAt !== null);
    await fake.close();
    const before = (await program.ok('GET', `/sources/${id}`)).lastRun;
    expect(await synced(id)).toMatchObject({ state: 'failed', fault: 'unavailable', gone: 0 });
    expect(await program.ok('GET', `/sources/${id}`)).toMatchObject({
      lastRun: before,
      fault: 'unavailable',
      detail: expect.stringContaining('Amazon IAM'),
    });
  });
});
